package simulation

import (
	"runtime"
	"strings"
	"sync"
)

// callerOf distinguishes requests of the daemon that are the same and made at the
// same time, by what part of it makes them. Of several parts that share a call the
// first to come makes it, and which one that is no seed decides.
func callerOf(l link) uint64 {
	if l != syncdGwat && l != syncdBeacon {
		return 0
	}
	var pcs [32]uintptr
	depth := runtime.Callers(3, pcs[:])
	h := uint64(1)
	for _, pc := range pcs[:depth] {
		switch id := partOf(pc); id {
		case 0:
		case shared:
			return h
		default:
			h = mix(h, id)
		}
	}
	return h
}

var callers struct {
	sync.RWMutex
	of map[uintptr]uint64
}

// shared stands for the function that makes a call for all who ask for the same.
const shared = 1

// partOf is the digest of a function of the daemon's own, 0 for any other.
func partOf(pc uintptr) uint64 {
	callers.RLock()
	id, known := callers.of[pc]
	callers.RUnlock()
	if known {
		return id
	}
	name := runtime.FuncForPC(pc - 1).Name()
	if strings.Contains(name, "/syncd/pair") || strings.Contains(name, "/syncd/headsync.") {
		id = digest(name)
	}
	if strings.Contains(name, "/singleflight.(*Group).doCall") {
		id = shared
	}
	callers.Lock()
	defer callers.Unlock()
	if callers.of == nil {
		callers.of = map[uintptr]uint64{}
	}
	callers.of[pc] = id
	return id
}
