package api

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/gwatsync/syncd/status"
)

const (
	maxChoices = 64                     // methods, actions or outcomes of a filter
	callsPause = 250 * time.Millisecond // between two looks of a subscription
)

// CallSource is what the API needs of a gate. Its methods are called concurrently.
type CallSource interface {
	// Calls returns the calls that are kept with a sequence number above after, the
	// newest last.
	Calls(after uint64) []status.Call
	// Traffic returns all of the traffic but its calls.
	Traffic() status.Traffic
}

// CallFilter is the parameter of syncd_calls.
type CallFilter status.CallFilter

// UnmarshalJSON refuses unknown members: a misspelt one would choose all calls.
func (f *CallFilter) UnmarshalJSON(raw []byte) error {
	return decodeStrict(raw, (*status.CallFilter)(f))
}

func (f *CallFilter) check() error {
	if f.Limit < 0 || f.Limit > status.MaxCalls {
		return &rpcError{code: codeInvalidParams, msg: fmt.Sprintf("limit is %d, want 1 to %d", f.Limit, status.MaxCalls)}
	}
	for _, list := range [][]string{f.Methods, f.Actions, f.Outcomes} {
		if len(list) > maxChoices {
			return &rpcError{code: codeInvalidParams, msg: fmt.Sprintf("a list of the filter has %d words, at most %d", len(list), maxChoices)}
		}
	}
	return nil
}

// Calls is syncd_calls: what passed the gate.
func (s *service) Calls(filter *CallFilter) (*status.Traffic, error) {
	if filter == nil {
		filter = &CallFilter{}
	}
	if err := filter.check(); err != nil {
		return nil, err
	}
	out := traffic(s.between, (*status.CallFilter)(filter))
	return &out, nil
}

// traffic returns what a filter chooses. A number of another run of syncd, behind the
// newest call, chooses all.
func traffic(g CallSource, f *status.CallFilter) status.Traffic {
	if g == nil {
		return status.Traffic{Calls: []status.Call{}}
	}
	out := g.Traffic()
	out.Gate, out.Calls = true, []status.Call{}
	after := uint64(0)
	if f.After != nil && *f.After <= out.Last {
		after = *f.After
	}
	own := *f
	own.After = nil
	kept := g.Calls(after)
	if len(kept) > 0 {
		out.Last = kept[len(kept)-1].Seq // one may have come since
		if f.After != nil {
			out.Lost = kept[0].Seq - after - 1
		}
	}
	for i := range kept {
		if own.Has(&kept[i]) {
			out.Calls = append(out.Calls, kept[i])
		}
	}
	limit := f.Limit
	if limit == 0 {
		limit = status.DefaultCalls
	}
	out.Calls = out.Calls[max(0, len(out.Calls)-limit):]
	return out
}

// Calls is syncd_subscribe "calls": those that a filter chooses, from now on or behind
// its "after"; at most four times a second, and nothing while there are none.
func (s *subscriptions) Calls(ctx context.Context, filter *CallFilter) (*rpc.Subscription, error) {
	f := status.CallFilter{}
	if filter != nil {
		if err := filter.check(); err != nil {
			return nil, err
		}
		f = status.CallFilter(*filter)
	}
	if f.Limit == 0 {
		f.Limit = status.MaxCalls
	}
	after := uint64(0)
	switch {
	case f.After != nil:
		after = *f.After
	case s.between != nil:
		after = s.between.Traffic().Last
	}
	return s.start(ctx, func() {}, func(sub *subscriber) {
		tick := time.NewTicker(callsPause)
		defer tick.Stop()
		for first := true; ; first = false {
			f.After = &after
			out := traffic(s.between, &f)
			if (first || len(out.Calls) > 0 || out.Lost > 0) && sub.notify(out) != nil {
				return
			}
			after = out.Last
			select {
			case <-tick.C:
			case <-sub.Err():
				return
			}
		}
	})
}
