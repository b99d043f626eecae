package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/urfave/cli/v3"
)

// runHealthcheck succeeds if the address answers at all: the image has no
// other program that could ask. A refusal (4xx) comes from a living node.
func runHealthcheck(ctx context.Context, c *cli.Command) error {
	url := c.String("url")
	if url == "" {
		return usageError(errors.New("--url is missing"))
	}
	ctx, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usageError(fmt.Errorf("--url: %w", err))
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	if err := response.Body.Close(); err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	if response.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("not healthy: %s answered %s", url, response.Status)
	}
	return nil
}
