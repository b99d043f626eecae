package protocol

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
)

func ptr[T any](v T) *T { return &v }

func TestClassifyPendingOfAHeadSync(t *testing.T) {
	sent := time.Unix(1000, 0)
	cp := &gwatclient.Block{Hash: common.Hash{1}, Number: ptr(uint64(1)), Height: 1}
	last := &gwatclient.Block{Hash: common.Hash{9}, Number: ptr(uint64(9)), Height: 9}
	ready := checkpoint.Pending{Call: checkpoint.CallReady, Spine: common.Hash{1}, SentAt: sent}
	push := checkpoint.Pending{Call: checkpoint.CallPush, Spine: common.Hash{1}, LastSpine: common.Hash{9}, SentAt: sent}
	base := Seen{Now: sent.Add(10 * time.Second), CheckedAt: sent.Add(9 * time.Second), LockTime: 100 * time.Second, GiveUp: 20 * time.Second, Latest: cp}
	with := func(f func(*Seen)) Seen { s := base; f(&s); return s }
	for name, tc := range map[string]struct {
		p    checkpoint.Pending
		s    Seen
		want Fate
	}{
		"ready, nothing seen":             {ready, base, Open},
		"ready was taken":                 {ready, with(func(s *Seen) { s.State.Activity = Prepared }), Accepted},
		"ready taken for another spine":   {ready, with(func(s *Seen) { s.State.Activity = Prepared; s.Latest = last }), Open},
		"a look from before it was sent":  {ready, with(func(s *Seen) { s.State.Activity = Prepared; s.CheckedAt = sent.Add(-1) }), Open},
		"a look begun as it was sent":     {ready, with(func(s *Seen) { s.State.Activity = Prepared; s.CheckedAt = sent }), Open},
		"gwat names no block":             {ready, with(func(s *Seen) { s.State.Activity = Prepared; s.Latest = nil }), Open},
		"ready, and its push was done":    {ready, with(func(s *Seen) { s.Last = last }), Open},
		"push done, and the lock is held": {push, with(func(s *Seen) { s.State.Activity = Prepared; s.Last = last }), Open},
		"a lock, at the very end":         {push, with(func(s *Seen) { s.State.Activity = Prepared; s.Now = sent.Add(120 * time.Second) }), Over},
		"ready, gwat restarted":           {ready, with(func(s *Seen) { s.Down = true }), Over},
		"a connection refused, lock held": {push, with(func(s *Seen) { s.Down = true; s.State.Activity = Prepared }), Open},
		"ready, lock time over":           {ready, with(func(s *Seen) { s.Now = sent.Add(121 * time.Second) }), Over},
		"push still runs":                 {push, with(func(s *Seen) { s.State.Activity = Prepared }), Open},
		"a lock long after the push":      {push, with(func(s *Seen) { s.State.Activity = Prepared; s.Now = sent.Add(121 * time.Second) }), Over},
		"a lock long after the ready":     {ready, with(func(s *Seen) { s.State.Activity = Prepared; s.Now = sent.Add(121 * time.Second) }), Over},
		"a lock, just in time":            {push, with(func(s *Seen) { s.State.Activity = Prepared; s.Now = sent.Add(119 * time.Second) }), Open},
		"push done":                       {push, with(func(s *Seen) { s.Last = last }), Over},
		"push done, by an older look":     {push, with(func(s *Seen) { s.Last = last; s.CheckedAt = sent.Add(-1) }), Open},
		"push half done, still in time":   {push, with(func(s *Seen) { s.Last = &gwatclient.Block{Hash: common.Hash{9}} }), Open},
		"push failed, lock time over too": {push, with(func(s *Seen) { s.Now = sent.Add(121 * time.Second) }), Over},
	} {
		t.Run(name, func(t *testing.T) {
			got, why := HeadSync{}.ClassifyPending(tc.p, tc.s)
			require.Equal(t, tc.want, got)
			require.NotEmpty(t, why)
		})
	}
}
