package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/golang-jwt/jwt/v4"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/gwatclient"
)

// orderCommands are the commands that change what a running syncd does.
func orderCommands(con console) []*cli.Command {
	reason := &cli.StringFlag{Name: "reason", Usage: "why; it stands in the status and the history"}
	full := &cli.BoolFlag{Name: "full", Usage: "begin the push at the last checkpoint whatever gwat has beyond it; gwat rolls that back"}
	force := &cli.BoolFlag{Name: "force", Usage: "also of a pair that works: a block that comes while gwat's lock is held ends the beacon node's head until that node is restarted"}
	order := func(name, usage string, flags []cli.Flag, params func(*cli.Command) []any) *cli.Command {
		return &cli.Command{
			Name: name, Usage: usage,
			Flags: append(flags, apiFlag(),
				&cli.StringFlag{Name: "socket", Usage: "`PATH` of the running syncd's --api.socket, in place of --api"},
				&cli.StringFlag{Name: "jwt-secret", Usage: "`FILE` of the running syncd's --api.jwt-secret, for --api"}),
			Action: noArguments(func(ctx context.Context, cmd *cli.Command) error {
				return giveOrder(ctx, con, cmd, "syncd_"+name, params(cmd)...)
			}),
		}
	}
	return []*cli.Command{
		order("pause", "have a running syncd keep its hands off both nodes", []cli.Flag{reason},
			func(cmd *cli.Command) []any { return []any{cmd.String("reason")} }),
		order("resume", "end a pause of a running syncd", nil, func(*cli.Command) []any { return nil }),
		order("resync", "have a running syncd take its pair through all stages again", []cli.Flag{reason, full, force},
			func(cmd *cli.Command) []any {
				return []any{api.ResyncOrder{Reason: cmd.String("reason"), Full: cmd.Bool("full"), Force: cmd.Bool("force")}}
			}),
	}
}

// giveOrder makes one call that changes something, over the local socket or with
// a token; its error says which of the two is missing.
func giveOrder(ctx context.Context, con console, cmd *cli.Command, method string, params ...any) error {
	at, socket, secretFile := cmd.String("api"), cmd.String("socket"), cmd.String("jwt-secret")
	transport := &http.Transport{DisableKeepAlives: true}
	options := []rpc.ClientOption{rpc.WithHTTPClient(&http.Client{Transport: transport})}
	switch {
	case socket != "" && secretFile != "":
		return fail(exitUsage, "--socket and --jwt-secret: the socket needs no token; give one of them")
	case socket != "":
		at = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}
	case secretFile != "":
		secret, err := gwatclient.LoadJWTSecret(secretFile)
		if err != nil {
			return fail(exitUsage, "--jwt-secret: %w; name the file that syncd was started with", err)
		}
		options = append(options, rpc.WithHTTPAuth(func(h http.Header) error {
			token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iat": time.Now().Unix()}).SignedString(secret)
			h.Set("Authorization", "Bearer "+token)
			return err
		}))
	default:
		return fail(exitUsage, "--socket or --jwt-secret is needed: only who can read one of the two may order this")
	}
	if _, err := apiURL(at); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	client, err := rpc.DialOptions(ctx, at, options...)
	if err != nil {
		return fail(exitUsage, "--api: %w", err)
	}
	defer client.Close()
	var done bool
	err = client.CallContext(ctx, &done, method, params...)
	var refused rpc.Error
	var status rpc.HTTPError
	switch {
	case errors.As(err, &status) && status.StatusCode == http.StatusUnauthorized:
		return fail(exitUsage, "--jwt-secret: syncd at %s refuses the token: %.300s", at, status.Body)
	case errors.As(err, &refused):
		return fail(exitInternal, "syncd refuses: %w", err)
	case err != nil && socket != "":
		return fail(exitUnreachable, "ask syncd over %s: %w; is it running with this --api.socket?", socket, err)
	case err != nil:
		return fail(exitUnreachable, "ask syncd at %s: %w; is it running, and is --api its --api.listen?", at, err)
	}
	_, err = fmt.Fprintln(con.stdout, "done")
	return err
}
