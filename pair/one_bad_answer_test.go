package pair

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/status"
)

// garbles replaces the next answers to a kind of request by a line of text.
func garbles(left *atomic.Int32, asks func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asks(r) && left.Add(-1) >= 0 {
				answering(http.StatusOK, "a line of text")(nil).ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func isSyncing(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/node/syncing") }

// leaves waits for the pair to leave working; false if it did not in that time.
func (f *fake) leaves(within time.Duration) (time.Duration, bool) {
	begin := time.Now()
	for time.Since(begin) < within {
		if f.pair.Snapshot().Stage != string(fsm.Working) {
			return time.Since(begin), true
		}
		time.Sleep(5 * time.Millisecond) // of the fake clock
	}
	return within, false
}

// One bad answer is followed by another poll at once and costs nothing; a second one
// in its slot does, and so does a node that is gone or hangs (S5).
func TestOneBadAnswerKeepsWorking(t *testing.T) {
	t.Parallel()
	inFakeTime(t, fakeConfig{}, func(f *fake) {
		f.reaches(fsm.Working)
		var left atomic.Int32
		f.bcnWire.Put(garbles(&left, isSyncing))

		left.Store(1)
		_, left1 := f.leaves(2 * fakeSlot)
		require.False(f.t, left1, "one bad answer of the beacon node")
		require.Negative(f.t, left.Load(), "it was given, and asked again")

		left.Store(2)
		took, left2 := f.leaves(2 * fakeSlot)
		require.True(f.t, left2, "two in a row")
		require.LessOrEqual(f.t, took, fakePoll+100*time.Millisecond, "at once")
		f.reaches(fsm.Working)

		time.Sleep(2 * fakeSlot)
		f.gwatWire.Put(answeringOnce("dag_getCandidates"))
		_, left3 := f.leaves(2 * fakeSlot)
		require.False(f.t, left3, "one bad answer of gwat to a call of normal work")
		f.gwatWire.Put(answeringCall("dag_getCandidates", `"result":{"error":"synchronization","candidates":null}`))
		took, left4 := f.leaves(2 * fakeSlot)
		require.True(f.t, left4, "gwat itself says that it does not work")
		require.LessOrEqual(f.t, took, fakePoll+100*time.Millisecond)
		f.gwatWire.Put(nil)
		f.reaches(fsm.Working)
	})
}

// answeringOnce answers the first call of a method with a line of text.
func answeringOnce(method string) func(http.Handler) http.Handler {
	var done atomic.Bool
	return func(next http.Handler) http.Handler {
		bad := answeringCall(method, `"result":7`)(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := next
			if !done.Load() {
				h = bad
			}
			seen := &marking{ResponseWriter: w, done: &done}
			h.ServeHTTP(seen, r)
		})
	}
}

// marking notes that the bad answer was written.
type marking struct {
	http.ResponseWriter
	done *atomic.Bool
}

func (m *marking) Write(b []byte) (int, error) {
	if strings.HasSuffix(string(b), `"result":7}`) {
		m.done.Store(true)
	}
	return m.ResponseWriter.Write(b)
}

// A node that is gone or hangs is no bad answer: the bound of S5 holds.
func TestADeadOrHungNodeEndsWorkingInTime(t *testing.T) {
	for name, tc := range map[string]struct {
		mode  wire.Mode
		limit time.Duration
	}{
		"gone": {wire.Refused, fakePoll + 100*time.Millisecond},
		"hung": {wire.Stopped, fakePoll + callTimeout + 100*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFakeTime(t, fakeConfig{}, func(f *fake) {
				f.reaches(fsm.Working)
				f.gwatWire.Set(tc.mode)
				f.within(tc.limit, "working is taken back", func(s *status.Snapshot) bool { return s.Stage != string(fsm.Working) })
			})
		})
	}
}

// A node that answers every other poll badly does not work.
func TestABadAnswerInEverySlotEndsWorking(t *testing.T) {
	t.Parallel()
	inFakeTime(t, fakeConfig{}, func(f *fake) {
		f.reaches(fsm.Working)
		var n atomic.Int32
		f.bcnWire.Put(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if isSyncing(r) && n.Add(1)%2 == 0 {
					answering(http.StatusOK, "a line of text")(nil).ServeHTTP(w, r)
					return
				}
				next.ServeHTTP(w, r)
			})
		})
		_, left := f.leaves(fakeSlot)
		require.True(f.t, left)
	})
}
