package operator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
)

// Alive asks the syncd of an environment, as that of a container, whether it lives,
// whatever its pair does. Its error has an exit code.
func Alive(ctx context.Context, environ []string) error {
	address, err := ownAPI(environ)
	if err != nil {
		return exit.With(exit.Usage, err)
	}
	if err := alive(ctx, address); err != nil {
		return exit.Errorf(exit.Unreachable, "syncd gives no answer at %s: %w; see its log, and whether SYNCD_API or SYNCD_API_LISTEN is the address that it listens on", address, err)
	}
	return nil
}

// ownAPI is where a syncd with this environment serves its API, as this host reaches it.
func ownAPI(environ []string) (endpoint.Endpoint, error) {
	listen, _ := settings.Lookup("api.listen") // it is in the table
	env := map[string]string{"SYNCD_API_LISTEN": listen.DefaultText()}
	for _, e := range environ {
		if name, value, _ := strings.Cut(e, "="); value != "" {
			env[name] = value
		}
	}
	if address := env["SYNCD_API"]; address != "" {
		return endpoint.Syncd.Parse(address)
	}
	if err := endpoint.CheckListen(env["SYNCD_API_LISTEN"]); err != nil {
		return endpoint.Endpoint{}, fmt.Errorf("SYNCD_API_LISTEN is %q: %w", env["SYNCD_API_LISTEN"], err)
	}
	return endpoint.Syncd.Parse(endpoint.Local(env["SYNCD_API_LISTEN"], env["SYNCD_API_TLS_CERT"] != ""))
}

// aliveWait bounds the question.
const aliveWait = 3 * time.Second

// alive asks /livez. Whose certificate it is does not matter: it is sent no secret.
func alive(ctx context.Context, address endpoint.Endpoint) error {
	ctx, cancel := context.WithTimeout(ctx, aliveWait)
	defer cancel()
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.URL().JoinPath("livez").String(), nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		var asked *url.Error // its text repeats the address
		if errors.As(err, &asked) {
			err = asked.Err
		}
		return errors.New(failure.Text(err.Error()))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", failure.Text(res.Status))
	}
	return nil
}
