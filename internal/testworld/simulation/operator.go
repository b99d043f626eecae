package simulation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

// asked is a question of the operator and what the API answered.
type asked struct {
	method      string
	full        bool // of syncd_resync: from the checkpoint on
	incarnation int
	sent        time.Duration
	ended       time.Duration // never: no answer came
	status      int
	snap        *status.Snapshot // of syncd_status
	stage       string           // that was published when the answer was there
	fails       string           // an error that it answered
}

// apiSecret is what the operator's tokens are made from.
var apiSecret = []byte("the secret of a simulated syncd.")

// token lets the operator make calls that change something.
func token() string {
	claims := jwt.RegisteredClaims{IssuedAt: jwt.NewNumericDate(time.Now())}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(apiSecret)
	if err != nil {
		panic("a token cannot be signed: " + err.Error())
	}
	return text
}

// asks puts questions to the operator's plan until the end.
func (r *run) asks(n uint64) {
	d := newSeededRand(r.seed, digest("ask"), n)
	r.sched.at(r.now()+r.plan.asks+d.span(0, 500*time.Millisecond), digest("ask"), func() {
		method := pick(d, "syncd_status", "syncd_status", "syncd_history")
		r.order(method)
		r.asks(n + 1)
	})
}

// resumes orders to go on, once more each second until syncd has taken the order: a
// pause is kept over a restart, so an order that a dead syncd did not take is owed.
func (r *run) resumes() {
	r.order("syncd_resume")
	r.sched.at(r.now()+time.Second, digest("resume"), func() {
		l := r.syncd()
		if l == nil || l.stopped || l.pair.Snapshot().Stage == string(fsm.Paused) {
			r.resumes()
		}
	})
}

// operatorResyncs orders the resync of a pair, working or not.
var operatorResyncs = &faultKind{name: "operator resyncs", low: 10 * time.Millisecond, high: 20 * time.Millisecond, begin: func(r *run, _ *fault, d *seededRand) func() {
	r.order("syncd_resync", fmt.Sprintf(`{"reason":"drill","force":true,"full":%t}`, d.chance(40)))
	return func() {}
}}

// planOrders has the operator of some seeds resync the pair while it works. Most of them have
// no other fault, so that what the order itself does is seen.
func (p *Plan) planOrders(d *seededRand) {
	share := 10
	if p.beacon.BadBlocks && !p.gated {
		share = 50 // only then a block can meet gwat's lock
	}
	if p.deep() || p.pair.Observe || !d.chance(share) {
		return
	}
	if d.chance(70) {
		p.Faults = nil
	}
	for visit := range d.between(1, 2) {
		f := &fault{kind: operatorResyncs, seed: d.next(), stage: string(fsm.Working), visit: visit + 1, events: d.between(20, 400)}
		f.lasts = d.span(f.kind.low, f.kind.high)
		p.Faults = append(p.Faults, f)
	}
}

// order asks the API with parameters in JSON; the answer comes when it comes.
func (r *run) order(method string, params ...string) {
	l := r.syncd()
	if l == nil || l.stopped {
		return
	}
	a := &asked{method: method, full: strings.Contains(strings.Join(params, ""), `"full":true`), incarnation: l.number, sent: r.now(), ended: never}
	r.questions = append(r.questions, a)
	r.helpers.Go(func() {
		rec := httptest.NewRecorder()
		body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":[` + strings.Join(params, ",") + `]}`
		req := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token())
		l.api.ServeHTTP(rec, req)
		var answer request
		a.status = rec.Code
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
			a.fails = err.Error()
		} else if answer.Error != nil {
			a.fails = answer.Error.Message
		}
		if method == "syncd_status" {
			a.snap = &status.Snapshot{}
			if err := json.Unmarshal(answer.Result, a.snap); err != nil {
				a.snap = nil
			}
		}
		if snap := l.pair.Snapshot(); snap != nil {
			a.stage = snap.Stage
		}
		a.ended = r.now()
	})
}
