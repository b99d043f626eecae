package pair

import (
	"context"
	"fmt"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

// subscriberBuffer is how many changes a slow reader may be behind; a pair
// changes its stage a few times a minute at most.
const subscriberBuffer = 64

// History gives the newest stage changes first; at most limit.
func (p *Pair) History(_ context.Context, limit int) ([]status.Change, error) {
	return p.cfg.Journal.History(limit)
}

// Pause has syncd keep its hands off both nodes until Resume. It is not kept
// over a restart of syncd.
func (p *Pair) Pause(ctx context.Context, reason string) error {
	return p.command(ctx, command{pause: true, reason: reason})
}

// Resume ends a pause.
func (p *Pair) Resume(ctx context.Context) error { return p.command(ctx, command{}) }

func (p *Pair) command(ctx context.Context, c command) error {
	c.done = make(chan error, 1)
	select {
	case p.commands <- c:
		return <-c.done
	case <-p.stopped:
		return ErrStopped
	case <-ctx.Done():
		return fmt.Errorf("the pair did not take the command: %w", ctx.Err())
	}
}

// obey carries a command out in the loop.
func (p *Pair) obey(ctx context.Context, c command) error {
	p.paused = c.pause
	if c.pause && c.reason != "" && p.machine.Stage() != fsm.Paused {
		p.fire(ctx, fsm.PauseAsked, "asked by the operator: "+c.reason)
	}
	p.settle(ctx)
	return nil
}

// Subscribe gives the stage changes from now on, in order. A reader that falls
// far behind loses the newest. The channel is closed when the loop ends or by cancel.
func (p *Pair) Subscribe() (changes <-chan status.Change, cancel func()) {
	ch := make(chan status.Change, subscriberBuffer)
	p.subMu.Lock()
	defer p.subMu.Unlock()
	select {
	case <-p.stopped:
		close(ch)
		return ch, func() {}
	default:
	}
	p.subs[ch] = struct{}{}
	return ch, func() {
		p.subMu.Lock()
		defer p.subMu.Unlock()
		if _, ok := p.subs[ch]; ok {
			delete(p.subs, ch)
			close(ch)
		}
	}
}

func (p *Pair) tell(c status.Change) {
	p.subMu.Lock()
	defer p.subMu.Unlock()
	for ch := range p.subs {
		select {
		case ch <- c:
		default:
		}
	}
}
