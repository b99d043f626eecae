package simulation

import (
	"encoding/json"
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

// order asks the API; the answer comes when it comes.
func (r *run) order(method string) {
	l := r.syncd()
	if l == nil || l.stopped {
		return
	}
	a := &asked{method: method, incarnation: l.number, sent: r.now(), ended: never}
	r.questions = append(r.questions, a)
	r.helpers.Go(func() {
		rec := httptest.NewRecorder()
		body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":[]}`
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
