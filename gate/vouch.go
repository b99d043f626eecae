package gate

import (
	"context"
	"fmt"
)

// vouchCall passes eth_chainId on. While gwat does not answer it, the answer is the chain id
// that the beacon node itself names; before that is known the caller gets the error. The
// result is nil if the caller is gone.
func (g *Gate) vouchCall(ctx context.Context, rec *records, m *message, x exchange, body []byte) *plain {
	answer, err := g.try(ctx, x, body)
	if err == nil {
		rec.feed(answer.body)
		rec.finish(answer.status, nil)
		return answer
	}
	id := g.View().Spec.DepositChainID
	switch {
	case ctx.Err() != nil:
		rec.end(0, OutcomeGone, "")
		return nil
	case id == 0:
		rec.end(0, outcomeOf(err), boundedText(err.Error()))
		return away(err)
	}
	rec.end(0, OutcomeAnswered, boundedText(err.Error()))
	return &plain{body: fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":"0x%x"}`+"\n", m.key(), id)}
}
