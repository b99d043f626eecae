package gate

import "sync/atomic"

// Gate forwards calls to one gwat.
type Gate struct {
	cfg      Config
	view     atomic.Pointer[View]
	evidence recorder
	hold     queue
}
