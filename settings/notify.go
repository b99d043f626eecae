package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/internal/webhook"
)

// maxNotifyFile bounds the files of the webhook's URL and template.
const maxNotifyFile = 64 << 10

// checkNotify reads the files of the webhook.
func (c *Config) checkNotify() error {
	if c.Notify.URL != "" && c.Notify.URLFile != "" {
		return errors.New("--notify.url and --notify.url-file name two receivers: leave one out")
	}
	if _, err := c.NotifyURL(); err != nil {
		return err
	}
	_, err := c.NotifyTemplate()
	return err
}

// NotifyURL returns the webhook's URL, from its file if it is there; nil without one. An
// error never repeats the URL of the file. It is ErrNotYet for a file that is missing,
// empty or not readable for this user.
func (c *Config) NotifyURL() (*url.URL, error) {
	key, raw := "notify.url", c.Notify.URL
	if c.Notify.URLFile != "" {
		key = "notify.url-file"
		if err := endpoint.CheckSecretPath(c.Notify.URLFile); err != nil {
			return nil, fmt.Errorf("--%s %w", key, err)
		}
		text, err := readSmall(key, c.Notify.URLFile)
		if err != nil {
			return nil, err
		}
		raw = strings.TrimSpace(text)
	}
	if raw == "" {
		return nil, nil
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("--%s holds no URL of the form https://host/path", key)
	case key == "notify.url" && (u.User != nil || u.RawQuery != ""):
		return nil, errors.New("--notify.url has credentials or a query: write the URL into a file that only syncd's user can read, and name that by --notify.url-file")
	}
	return u, nil
}

// NotifyTemplate returns the template of the webhook's messages.
func (c *Config) NotifyTemplate() (webhook.Template, error) {
	text := ""
	if c.Notify.Template != "" {
		var err error
		if text, err = readSmall("notify.template", c.Notify.Template); err != nil {
			return webhook.Template{}, err
		}
	}
	t, err := webhook.ParseTemplate(text)
	if err != nil {
		return webhook.Template{}, fmt.Errorf("--notify.template: %w", err)
	}
	return t, nil
}

// readSmall reads a file of a setting that must not be empty.
func readSmall(key, path string) (string, error) {
	raw, err := os.ReadFile(path)
	var why *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), err == nil && strings.TrimSpace(string(raw)) == "":
		reason := "it is empty"
		if errors.As(err, &why) {
			reason = why.Err.Error()
		}
		return "", notYet{fmt.Errorf("--%s is %q: %s; name a file that is readable for this user", key, endpoint.MaskPath(path), reason)}
	case errors.As(err, &why):
		return "", fmt.Errorf("--%s is %q: %w", key, endpoint.MaskPath(path), why.Err)
	case len(raw) > maxNotifyFile:
		return "", fmt.Errorf("--%s is %q, a file of over %d bytes", key, endpoint.MaskPath(path), maxNotifyFile)
	}
	return string(raw), err
}
