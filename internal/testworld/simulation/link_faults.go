package simulation

import (
	"bytes"
	"net/http"
	"slices"
	"time"
)

// linkFaultKind is what happens to what travels over a link.
type linkFaultKind int

const (
	linkSlow       linkFaultKind = iota // every hop takes longer
	linkRefused                         // nobody listens
	linkBlackhole                       // nothing comes through
	linkResetEarly                      // the connection ends before the node has the request
	linkLate                            // the node takes the request in late, whether or not its caller waits
	linkResetLate                       // the connection ends in place of the answer
	linkHalf                            // the connection ends in mid-answer
	linkGarbled                         // the answer is no JSON
	linkProxy                           // a proxy answers for the node
	linkHang                            // the answer never comes
	frameDrop
	frameTwice
	frameLate // a frame lets the next one pass
	frameHalf
	frameGarbled
)

// hop is where on its way an exchange is.
type hop int

const (
	hopRequest hop = iota + 1
	hopAnswer
	hopFrame
)

func (k linkFaultKind) at(h hop) bool {
	switch {
	case k == linkSlow:
		return false // asked for by latency
	case k <= linkLate:
		return h == hopRequest
	case k <= linkHang:
		return h == hopAnswer
	}
	return h == hopFrame
}

// linkFault is one that holds now.
type linkFault struct {
	number    int
	kind      linkFaultKind
	links     []link
	only      func(*exchange) bool
	percent   int
	low, high time.Duration
	frames    int // that it was asked about
}

func (f *linkFault) hits(x *exchange) bool {
	return slices.Contains(f.links, x.link) && (f.kind >= frameDrop || x.stream == nil) && f.only(x)
}

// linkKind is the fault kind of a link fault.
func linkKind(name string, weight int, low, high time.Duration, kind linkFaultKind) *faultKind {
	return &faultKind{name: name, weight: weight, low: low, high: high, begin: func(r *run, f *fault, d *seededRand) func() {
		lf := &linkFault{number: f.number, kind: kind, percent: pick(d, 100, 100, 60, 25)}
		lf.links = pick(d, []link{syncdGwat}, []link{syncdGwat}, []link{syncdGwat}, []link{syncdBeacon},
			[]link{syncdGwat, syncdBeacon}, []link{syncdGwat, syncdBeacon, beaconGwat}, []link{beaconGwat})
		if kind >= frameDrop {
			lf.links = []link{syncdBeacon}
		}
		if r.plan.gated {
			lf.links = throughGate(lf.links, newSeededRand(f.seed, digest("gate")))
		}
		lf.only = pick(d,
			func(*exchange) bool { return true },
			func(x *exchange) bool { return x.changes() },
			func(x *exchange) bool { return x.call == callReady || x.call == callPush },
			func(x *exchange) bool { return !x.changes() })
		if kind >= frameDrop || !slices.Contains(lf.links, syncdGwat) {
			lf.only = func(*exchange) bool { return true }
		}
		lf.low = d.span(0, 300*time.Millisecond)
		lf.high = lf.low + d.span(0, pick(d, time.Second, 6*time.Second))
		r.net.faults = append(r.net.faults, lf)
		return func() {
			r.net.faults = slices.DeleteFunc(r.net.faults, func(o *linkFault) bool { return o == lf })
		}
	}}
}

// throughGate is what a fault of links is when syncd is between the nodes: gwat's
// side of the gate fails with syncd's own way to gwat, or alone.
func throughGate(links []link, d *seededRand) []link {
	out := slices.Clone(links)
	if at := slices.Index(out, beaconGwat); at >= 0 {
		out[at] = pick(d, gateGwat, gateGwat, beaconGate)
	}
	if slices.Contains(out, syncdGwat) && !slices.Contains(out, gateGwat) && d.chance(60) {
		out = append(out, gateGwat)
	}
	return out
}

// fault gives the fault that hits an exchange on a hop, nil if none does.
func (n *network) fault(x *exchange, h hop) *linkFault {
	for _, f := range n.faults {
		if !f.kind.at(h) || !f.hits(x) {
			continue
		}
		f.frames++
		if newSeededRand(n.run.seed, uint64(x.id()), uint64(h), uint64(f.number), uint64(f.frames)).chance(f.percent) {
			return f
		}
	}
	return nil
}

func (f *linkFault) onRequest(n *network, x *exchange, r *seededRand, s *step) {
	switch f.kind {
	case linkRefused:
		x.doom = errRefused
	case linkBlackhole:
		if r.chance(30) {
			x.doom = errUnreachable
			return
		}
		x.written = r.chance(50) // a connection that was open swallows the request
		s.run = func() {}
	case linkResetEarly:
		x.written, x.doom = true, errReset
	case linkLate:
		x.written, x.goesOn = true, true
		arrive, late := s.run, r.span(0, n.run.plan.pair.PushTimeout)
		s.run = func() { n.run.sched.at(n.run.now()+late, x.key, arrive) }
	}
}

func (f *linkFault) onAnswer(n *network, x *exchange, r *seededRand, s *step, w *responseWriter) {
	switch f.kind {
	case linkResetLate:
		w.cut = true
	case linkHalf:
		w.half = 1 + r.upTo(max(w.body.Len()-1, 1))
	case linkGarbled:
		w.garbled = garbled(w.body.Bytes())
	case linkProxy:
		w.status = pick(r, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout)
		w.body.Reset()
		w.body.WriteString("<html>the node is not there</html>")
	case linkHang:
		s.run = func() {}
	}
}

// garbled is what is left of an answer that somebody on the way has broken.
func garbled(body []byte) []byte {
	out := bytes.Clone(body)
	for i := range min(3, len(out)) {
		out[i] = '}'
	}
	return out
}
