package journal

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// historyKept bounds the stage history; the oldest changes go first.
const historyKept = 10_000

// The kinds of Open's errors beside those of package failure.
var (
	// ErrInUse: another process has the journal open.
	ErrInUse = errors.New("journal in use")
	// ErrClosed: the journal was closed.
	ErrClosed = errors.New("journal is closed")
)

// Journal is safe for concurrent use. Errors of its methods are of kind
// RetryLater (a full disk heals): a value that could not be written counts for this
// process, and the next write takes it along, but for a pending call. A value that
// cannot be read is a note and counts as absent.
type Journal struct {
	// turn holds one token: who has it may use the rest. It is a channel because
	// who waits for a slow disk must not keep a fake clock from running.
	turn  chan struct{}
	store Store
	owed  map[string][]byte // what failed writes would have left; the next write takes it along
	owes  atomic.Bool       // owed is not empty
	notes []string
	noted map[string]bool
}

// Store is what a journal is kept in: the file, memory, or one that a simulation
// lets fail. Its methods are not called at the same time.
type Store interface {
	// Get returns the value of a key, nil if there is none.
	Get(key string) ([]byte, error)
	// Set writes all values or none; a nil value deletes its key. They are durable
	// when it returns nil; only a pending call that is cleared may be there again after
	// a power cut, and is then looked into like any other that is found at a start.
	Set(values map[string][]byte) error
	// Append adds to the history and keeps its newest entries.
	Append(value []byte, keep int) error
	// Newest returns at most limit entries of the history, the newest first.
	Newest(limit int) ([][]byte, error)
	Close() error
}

// The keys of the single values.
const (
	keyPending   = "pending"
	keyConfirmed = "confirmed"
	keyNetwork   = "network"
	keyPause     = "pause"
	keyPeers     = "peers"
	keyHeals     = "heals"
)

// OpenMemory returns a journal that is kept in memory only.
func OpenMemory() *Journal { return OpenStore(NewMemory(), "") }

// OpenStore returns a journal backed by s. note describes data that the caller discarded; "" if
// there was none.
func OpenStore(s Store, note string) *Journal {
	j := &Journal{turn: make(chan struct{}, 1), store: s, noted: map[string]bool{}}
	if note != "" {
		j.addNote(note)
	}
	return j
}

func (j *Journal) lock()   { j.turn <- struct{}{} }
func (j *Journal) unlock() { <-j.turn }

// Close frees the file for another syncd. It may be called twice.
func (j *Journal) Close() error {
	j.lock()
	defer j.unlock()
	if j.store == nil {
		return nil
	}
	err := j.store.Close()
	j.store = nil
	return failure.WithKind(failure.RetryLater, err)
}

// Note describes, for an operator, the data that was unusable and left out; "" if there was none.
func (j *Journal) Note() string {
	j.lock()
	defer j.unlock()
	return strings.Join(j.notes, "; ")
}

// addNote is called with the turn held; a note is kept once, so that they stay few.
func (j *Journal) addNote(note string) {
	if !j.noted[note] {
		j.noted[note] = true
		j.notes = append(j.notes, note)
	}
}

// SetPending records a call before it is sent. The record is durable when
// SetPending returns nil: only then may a later syncd take the call over (S1).
func (j *Journal) SetPending(p checkpoint.Pending) error {
	return setValue(j, keyPending, toPending(p))
}

// Pending returns the call without an answer, nil if there is none.
func (j *Journal) Pending() (*checkpoint.Pending, error) {
	r, err := value[pendingRecord](j, keyPending)
	if r == nil {
		return nil, err
	}
	p := r.pending()
	return &p, nil
}

// ClearPending is called when the answer is there, or when what gwat did is known. It
// does not wait for the disk: a cleared call that comes back is found to be over.
func (j *Journal) ClearPending() error { return j.write(map[string][]byte{keyPending: nil}) }

// SetConfirmed keeps the last entry whose spines gwat was seen to have finalized.
func (j *Journal) SetConfirmed(c checkpoint.Confirmed) error {
	return setValue(j, keyConfirmed, toConfirmed(c))
}

// Confirmed returns the last confirmed entry, nil if there is none.
func (j *Journal) Confirmed() (*checkpoint.Confirmed, error) {
	r, err := value[confirmedRecord](j, keyConfirmed)
	if r == nil {
		return nil, err
	}
	c := r.confirmed()
	return &c, nil
}

// ClearConfirmed is called when gwat no longer has the entry.
func (j *Journal) ClearConfirmed() error { return j.write(map[string][]byte{keyConfirmed: nil}) }

// SetPause keeps an operator's pause over a restart.
func (j *Journal) SetPause(p Pause) error { return setValue(j, keyPause, p) }

// Pause returns the pause in force, nil if there is none.
func (j *Journal) Pause() (*Pause, error) { return value[Pause](j, keyPause) }

// ClearPause ends the pause.
func (j *Journal) ClearPause() error { return j.write(map[string][]byte{keyPause: nil}) }

// Network returns the network that the journal was written for, nil if it is new.
func (j *Journal) Network() (*Network, error) { return value[Network](j, keyNetwork) }

// SetNetwork binds the journal to a network. What it held of another network is
// dropped in the same step, with a note: it says nothing about this one. The
// history and a pause stay.
func (j *Journal) SetNetwork(n Network) error {
	was, err := j.Network()
	if err != nil {
		return err
	}
	data, err := encode(n)
	if err != nil {
		return err
	}
	values := map[string][]byte{keyNetwork: data}
	if was != nil && !was.Is(n) {
		values[keyPending], values[keyConfirmed], values[keyPeers], values[keyHeals] = nil, nil, nil, nil
		j.lock()
		j.addNote(fmt.Sprintf("the journal was of another network (chain id %d, genesis time %d); it now belongs to that of chain id %d, genesis time %d",
			was.ChainID, was.GenesisTime, n.ChainID, n.GenesisTime))
		j.unlock()
	}
	return j.write(values)
}

// SetPeers keeps the enodes of the peers that gwat had.
func (j *Journal) SetPeers(enodes []string) error {
	return setValue(j, keyPeers, peersRecord{Enodes: enodes})
}

// Peers returns the enodes of the peers that gwat had, the newest first.
func (j *Journal) Peers() ([]string, error) {
	r, err := value[peersRecord](j, keyPeers)
	if r == nil {
		return nil, err
	}
	return r.Enodes, nil
}

// SetHeals keeps the tries of the heals, by name.
func (j *Journal) SetHeals(tries map[string]Tries) error {
	return setValue(j, keyHeals, healsRecord{Tries: tries})
}

// Heals returns the tries of the heals, by name.
func (j *Journal) Heals() (map[string]Tries, error) {
	r, err := value[healsRecord](j, keyHeals)
	if r == nil {
		return nil, err
	}
	return r.Tries, nil
}

// AppendChange adds a stage change; the newest 10,000 are kept.
func (j *Journal) AppendChange(c Change) error {
	data, err := encode(c)
	if err != nil {
		return err
	}
	return j.with("append", func(s Store) error { return s.Append(data, historyKept) })
}

// History returns the newest changes first, at most limit (all kept ones if
// limit is not positive). An entry that cannot be read is left out, with a note.
func (j *Journal) History(limit int) ([]Change, error) {
	if limit <= 0 || limit > historyKept {
		limit = historyKept
	}
	var raw [][]byte
	err := j.with("read", func(s Store) (err error) {
		raw, err = s.Newest(limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Decoded without the turn: who reads thousands must not hold up who writes.
	changes, unread := make([]Change, 0, len(raw)), false
	for _, data := range raw {
		c, err := decode[Change](data)
		if err != nil {
			unread = true
			continue
		}
		changes = append(changes, *c)
	}
	if unread {
		j.lock()
		j.addNote("the journal's history has an entry that cannot be read")
		j.unlock()
	}
	return changes, nil
}

func setValue[T any](j *Journal, key string, v T) error {
	data, err := encode(v)
	if err != nil {
		return err
	}
	return j.write(map[string][]byte{key: data})
}

// write writes values, and with them those of the writes before that failed.
func (j *Journal) write(values map[string][]byte) error {
	return j.with("write", func(s Store) error {
		all := maps.Clone(j.owed)
		if all == nil {
			all = map[string][]byte{}
		}
		maps.Copy(all, values)
		err := s.Set(all)
		if err == nil {
			all = nil
		} else if call, ok := all[keyPending]; ok && call != nil {
			delete(all, keyPending) // written later it would pass for written before it was sent (S1)
		}
		j.owed = all
		j.owes.Store(len(all) > 0)
		return err
	})
}

// Owes reports whether a write failed whose values are not in the store yet.
func (j *Journal) Owes() bool { return j.owes.Load() }

// Retry writes what failed writes would have left. With nothing to write it says whether
// the store takes a write.
func (j *Journal) Retry() error { return j.write(nil) }

func value[T any](j *Journal, key string) (*T, error) {
	var out *T
	err := j.with("read", func(s Store) error {
		data, owed := j.owed[key]
		if !owed {
			var err error
			if data, err = s.Get(key); err != nil {
				return err
			}
		}
		if data == nil {
			return nil
		}
		var err error
		if out, err = decode[T](data); err != nil {
			j.addNote(fmt.Sprintf("the journal's %s cannot be read and is left out: %v", key, err))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// with runs one operation on the store and adds a kind to its error.
func (j *Journal) with(action string, op func(Store) error) error {
	j.lock()
	defer j.unlock()
	if j.store == nil {
		return failure.WithKind(failure.RetryLater, ErrClosed)
	}
	if err := op(j.store); err != nil {
		return failure.WithKind(failure.RetryLater, fmt.Errorf("%s journal: %w", action, err))
	}
	return nil
}
