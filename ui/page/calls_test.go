//go:build page

package page_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// passing is a gate whose calls a test names.
type passing struct {
	mu    sync.Mutex
	calls []status.Call
}

func (p *passing) add(method, outcome string, took time.Duration, tries int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, status.Call{
		Seq: uint64(len(p.calls) + 1), At: time.Now(), Method: method, Era: "head-sync", DurationMS: status.Milliseconds(took),
		Action: "forward", Outcome: outcome, Tries: tries, Listener: "http",
	})
}

func (p *passing) Calls(after uint64) []status.Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]status.Call(nil), p.calls[min(after, uint64(len(p.calls))):]...)
}

func (p *passing) Traffic() status.Traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	return status.Traffic{Last: uint64(len(p.calls)), Held: 1, Absorbed: 2}
}

// Each method has a lane, each call a mark whose form says what became of it, and a lane
// says the same in words. Calls that come are added.
func TestLanesOfCalls(t *testing.T) {
	src, gate := &script{}, &passing{}
	src.publish(working())
	gate.add("eth_call", "ok", time.Millisecond, 0)
	gate.add("dag_finalize", "absorbed", 20*time.Second, 30)
	gate.add("eth_call", "error", 3*time.Millisecond, 0)
	addr, _ := serveWith(t, src, gate, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	lane := func(n string) string {
		return "document.querySelector('#lanes li:nth-child(" + n + ")')"
	}
	b.until("document.querySelectorAll('#lanes li').length === 2")
	require.Equal(t, "dag_finalize", eval[string](b, lane("1")+".querySelector('code').textContent"), "the calls that the gate owns come first")
	require.Equal(t, "1 call, 1 absorbed, median 20.0 s, longest 20.0 s", eval[string](b, lane("1")+".querySelector('small').textContent"))
	require.Contains(t, eval[string](b, lane("2")+".querySelector('svg').getAttribute('aria-label')"), "eth_call: 2 calls, 1 failed")
	require.Equal(t, 1, eval[int](b, lane("1")+".querySelectorAll('path.absorbed').length"))
	require.Equal(t, 2, eval[int](b, lane("2")+".querySelectorAll('path.passed, path.failed').length"))
	require.Equal(t, "1 waiting now, 2 answered in gwat's place and not proved", b.text("#calls-now"))
	gate.add("<img src=x>", "ok", time.Millisecond, 0)
	b.until("document.querySelectorAll('#lanes li').length === 3")
	require.Zero(t, eval[int](b, "document.querySelectorAll('#calls img').length"), "a method is text")
	require.Equal(t, 4, eval[int](b, "document.querySelectorAll('#calls-rows tr').length"))
	hold(t, b, "lanes", map[string]contrast{})
	b.noErrors()
}

func TestNoLanesWithoutAGate(t *testing.T) {
	src := &script{}
	src.publish(working())
	addr, _ := serve(t, src, "127.0.0.1:0")
	b := open(t, desktop)
	b.visit(addr)
	b.until("document.getElementById('calls-none').textContent.includes('has no gate')")
	require.True(t, eval[bool](b, "document.getElementById('calls-some').hidden"))
	b.noErrors()
}
