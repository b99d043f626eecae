package apiclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/golang-jwt/jwt/v4"
	"github.com/gorilla/websocket"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/status"
)

const (
	// callTimeout bounds one call; the answer is in syncd's memory.
	callTimeout = 5 * time.Second
	// maxAnswer bounds what something that is no syncd may send, in bytes.
	maxAnswer = 16 << 20
	// codeRetryLater is the code of an answer that is not there yet.
	codeRetryLater = -32011
)

// Errors, for errors.Is.
var (
	ErrAddress = errors.New("unusable API address")    // no URL of an API
	ErrNoSyncd = errors.New("syncd gives no answer")   // nobody listens, or something else
	ErrNothing = errors.New("nothing is known yet")    // syncd runs and has not polled the nodes
	ErrMethod  = errors.New("syncd lacks this method") // as an older one does
	ErrToken   = errors.New("wrong token")
	ErrRefused = errors.New("syncd refuses") // the order; the text has the reason

	// ErrCertificate is an ErrNoSyncd too.
	ErrCertificate = errors.New("its certificate is not trusted")
)

// addressError is an ErrAddress whose text is the reason alone.
type addressError struct{ error }

func (e *addressError) Unwrap() []error { return []error{ErrAddress, e.error} }

// Config says how a syncd is reached.
type Config struct {
	Address string      // http(s)://host:port of its API; with Socket it may be empty
	Socket  string      // path of its local socket, dialled in place of Address; "" for none
	TLS     *tls.Config // of https; nil trusts the roots of the system
	Direct  bool        // the address is of this machine: no proxy of the environment is asked
	Secret  []byte      // of a token for the calls that change something; nil for none
	Hint    string      // what to do if nobody listens there; "" asks whether the address is right
}

// Client asks one syncd. It is safe for concurrent use.
type Client struct {
	name      string // for errors: the address without a password, or the path of the socket
	ws        string // the URL of the subscriptions
	readyz    string
	rpc       *rpc.Client
	transport *http.Transport
	dialer    websocket.Dialer
	remedy    string // if nobody listens
	socket    bool
}

// Open checks the configuration; it does not connect. Close ends the client.
func Open(cfg Config) (*Client, error) {
	if cfg.Socket != "" {
		if err := endpoint.CheckSocketPath(cfg.Socket); err != nil {
			return nil, &addressError{err}
		}
		cfg.Address = "http://localhost"
	}
	at, err := endpoint.Syncd.Parse(cfg.Address)
	if err != nil {
		return nil, &addressError{err}
	}
	c := &Client{
		name: at.String(), ws: "ws" + strings.TrimPrefix(at.URL().String(), "http"), readyz: at.URL().JoinPath("readyz").String(), socket: cfg.Socket != "",
		transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: callTimeout}).DialContext, IdleConnTimeout: time.Minute,
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: cfg.TLS,
		},
		dialer: websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: callTimeout, TLSClientConfig: cfg.TLS},
	}
	if cfg.Direct {
		c.transport.Proxy, c.dialer.Proxy = nil, nil
	}
	c.remedy = cmp.Or(cfg.Hint, "is it running, and is this address its --api.listen?")
	if c.socket {
		c.remedy = "is it running with this --api.socket?"
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: callTimeout}).DialContext(ctx, "unix", cfg.Socket)
		}
		c.name = cfg.Socket
		c.transport.DialContext, c.transport.Proxy = dial, nil
		c.dialer.NetDialContext, c.dialer.Proxy = dial, nil
	}
	options := []rpc.ClientOption{rpc.WithHTTPClient(&http.Client{Transport: bounded{c.transport}})}
	if cfg.Secret != nil {
		options = append(options, rpc.WithHTTPAuth(func(h http.Header) error {
			token, err := Token(cfg.Secret)
			h.Set("Authorization", "Bearer "+token)
			return err
		}))
	}
	c.rpc, err = rpc.DialOptions(context.Background(), cfg.Address, options...)
	if err != nil {
		return nil, &addressError{err}
	}
	return c, nil
}

// Token returns a token for the calls that change something. syncd takes it for a
// minute.
func Token(secret []byte) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iat": time.Now().Unix()}).SignedString(secret)
}

// Close ends the connections.
func (c *Client) Close() {
	c.rpc.Close()
	c.transport.CloseIdleConnections()
}

// Remedy says what to do if nobody listens at the address.
func (c *Client) Remedy() string { return c.remedy }

// Address is the API's without user and password, or the path of the socket.
func (c *Client) Address() string { return c.name }

// bounded ends an answer that is too long.
type bounded struct{ base http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.base.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// Status asks for the newest snapshot (syncd_status).
func (c *Client) Status(ctx context.Context) (*status.Snapshot, error) {
	var snap *status.Snapshot
	if err := c.call(ctx, &snap, "syncd_status"); err != nil {
		return nil, err
	}
	if snap == nil || snap.Stage == "" {
		return nil, fmt.Errorf("%w: the answer of %s is no status; is something else listening there?", ErrNoSyncd, c.name)
	}
	return snap, nil
}

// History asks for the newest stage changes, the newest first (syncd_history).
func (c *Client) History(ctx context.Context, limit int) ([]status.Change, error) {
	var changes []status.Change
	err := c.call(ctx, &changes, "syncd_history", limit)
	return changes, err
}

// Config asks for the settings of the running syncd with its secrets masked
// (syncd_config), as JSON.
func (c *Client) Config(ctx context.Context) (json.RawMessage, error) {
	var config json.RawMessage
	err := c.call(ctx, &config, "syncd_config")
	return config, err
}

// Order makes a call that changes something, such as syncd_pause. Besides the errors of
// the other calls there are ErrToken and ErrRefused.
func (c *Client) Order(ctx context.Context, method string, params ...any) error {
	var done bool
	return c.order(ctx, &done, method, params...)
}

// Heal makes the call syncd_heal; its errors are those of Order.
func (c *Client) Heal(ctx context.Context, order status.HealOrder) (*status.Heal, error) {
	var out status.Heal
	return &out, c.order(ctx, &out, "syncd_heal", order)
}

func (c *Client) order(ctx context.Context, out any, method string, params ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := c.rpc.CallContext(ctx, out, method, params...)
	var refused rpc.Error
	var answer rpc.HTTPError
	switch {
	case errors.As(err, &answer) && answer.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: syncd at %s refuses the token: %s", ErrToken, c.name, failure.Text(refusal(answer.Body)))
	case errors.As(err, &refused):
		return fmt.Errorf("%w: %s", ErrRefused, failure.Text(refused.Error()))
	}
	return c.explain(err)
}

// refusal returns the message of an answer with an HTTP status of an error, which may be
// JSON-RPC's; else its text.
func refusal(body []byte) string {
	var answer struct{ Error struct{ Message string } }
	if json.Unmarshal(body, &answer) == nil && answer.Error.Message != "" {
		return answer.Error.Message
	}
	return string(body)
}

// maxReadyz bounds what is read of an answer of /readyz, in bytes.
const maxReadyz = 64 << 10

// Readyz asks for /readyz and returns the status and the body, at most 64 KiB of it.
// err is the transport's.
func (c *Client) Readyz(ctx context.Context) (code int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.readyz, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Close = true // it is asked once a second at most
	res, err := (&http.Client{
		Transport:     c.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}).Do(req)
	if err != nil {
		var reason *url.Error
		if errors.As(err, &reason) {
			err = reason.Err // without the URL, which may hold a password
		}
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxReadyz))
	return res.StatusCode, body, err
}

func (c *Client) call(ctx context.Context, out any, method string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.explain(c.rpc.CallContext(ctx, out, method, args...))
}

// explain returns an error with its sentinel and its remedy.
func (c *Client) explain(err error) error {
	if err == nil {
		return nil
	}
	var answer rpc.HTTPError
	var answered rpc.Error
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &answer) && answer.StatusCode != http.StatusForbidden: // the page of something else is no help; a refusal of syncd is
		return fmt.Errorf("%w: %s answers %s; is something else listening there?", ErrNoSyncd, c.name, failure.Text(answer.Status))
	case errors.As(err, &answered) && answered.ErrorCode() == codeRetryLater:
		return fmt.Errorf("%w: %s", ErrNothing, failure.Text(answered.Error()))
	case errors.As(err, &answered) && answered.ErrorCode() == -32601:
		return fmt.Errorf("%w: %s says %s; is it syncd, and as new as this one?", ErrMethod, c.name, failure.Text(answered.Error()))
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %s sends no JSON-RPC; is something else listening there?", ErrNoSyncd, c.name)
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Errorf("%w at %s: it speaks no TLS there; write http:// in place of https://", ErrNoSyncd, c.name)
	}
	if Untrusted(err) {
		return fmt.Errorf("%w at %s: %w: %s; give --ca-file the file of its certificate or of its issuer", ErrNoSyncd, c.name, ErrCertificate, failure.Text(err.Error()))
	}
	var asked *url.Error // its text repeats the address
	if errors.As(err, &asked) {
		err = asked.Err
	}
	return fmt.Errorf("%w at %s: %s; %s", ErrNoSyncd, c.name, failure.Text(err.Error()), c.remedy)
}

// Untrusted reports whether err is about TLS: a certificate that is not trusted, or a
// server that speaks no TLS. Asking again does not heal it.
func Untrusted(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) || errors.Is(err, http.ErrSchemeMismatch)
}
