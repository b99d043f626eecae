package watched

import (
	"os"
	"slices"
	"sync"
	"time"
)

// interval is how often the files are looked at, at most.
const interval = time.Second

// Value is read from files and read again when one of them changes. It is safe
// for concurrent use.
type Value[T any] struct {
	paths  []string
	read   func() (T, error)
	failed func(error) // of reading it again; not nil

	mu     sync.Mutex
	looked time.Time
	seen   []stamp
	value  T
}

// stamp tells two contents of a file apart, also where one replaces the other
// within the resolution of the clock.
type stamp struct {
	info os.FileInfo // nil: it is not there
}

func (s stamp) same(o stamp) bool {
	if s.info == nil || o.info == nil {
		return s.info == nil && o.info == nil
	}
	return os.SameFile(s.info, o.info) && s.info.ModTime().Equal(o.info.ModTime()) && s.info.Size() == o.info.Size()
}

// New reads the value. While a later reading fails, which failed is called once
// for each change of the files, the last good value stays.
func New[T any](read func() (T, error), failed func(error), paths ...string) (*Value[T], error) {
	v := &Value[T]{paths: paths, read: read, failed: failed, looked: time.Now()}
	v.seen = v.stamps() // before the reading: what changes meanwhile is read again
	var err error
	v.value, err = read()
	return v, err
}

func (v *Value[T]) stamps() []stamp {
	out := make([]stamp, len(v.paths))
	for i, path := range v.paths {
		if info, err := os.Stat(path); err == nil {
			out[i].info = info
		}
	}
	return out
}

// Get returns the value; it looks at the files at most once a second.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := time.Now(); now.Sub(v.looked) >= interval || now.Before(v.looked) {
		v.looked = now
		v.refresh()
	}
	return v.value
}

func (v *Value[T]) refresh() {
	now := v.stamps()
	if slices.EqualFunc(now, v.seen, stamp.same) {
		return
	}
	v.seen = now
	value, err := v.read()
	if err != nil {
		v.failed(err)
		return
	}
	v.value = value
}
