package logs

import (
	"bytes"
	"strings"
	"testing"

	gethlog "github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"
)

type crashing struct{}

func (crashing) Now() { panic("a defect") }

// A panic of a method behind go-ethereum's server is in the log once, with the place.
func TestAPanicOfAMethodIsLogged(t *testing.T) {
	before := gethlog.Root()
	t.Cleanup(func() { gethlog.SetDefault(before) })
	var out bytes.Buffer
	log, err := New(&out, "info", "json")
	require.NoError(t, err)
	TakeErrorsOfGoEthereum(log)

	server := rpc.NewServer()
	defer server.Stop()
	require.NoError(t, server.RegisterName("crash", crashing{}))
	c := rpc.DialInProc(server)
	defer c.Close()
	require.ErrorContains(t, c.Call(nil, "crash_now"), "method handler crashed")
	require.ErrorContains(t, c.Call(nil, "crash_later"), "does not exist")
	require.Equal(t, 1, strings.Count(out.String(), "\n"), out.String())
	for _, part := range []string{`"level":"error"`, "crash_now crashed: a defect", "libraries_test.go"} {
		require.Contains(t, out.String(), part)
	}
}
