package logs

import (
	"context"
	"log/slog"

	gethlog "github.com/ethereum/go-ethereum/log"
	"github.com/sirupsen/logrus"
)

// TakeErrorsOfGoEthereum writes the errors that go-ethereum logs to log, for the whole
// process: its JSON-RPC server logs a panic of a method there, with the stack.
func TakeErrorsOfGoEthereum(log logrus.FieldLogger) {
	gethlog.SetDefault(gethlog.NewLogger(goEthereum{log}))
}

// goEthereum is a slog.Handler that writes the message of an error; go-ethereum's other
// lines are about single requests.
type goEthereum struct{ log logrus.FieldLogger }

// Enabled reports whether a level is that of an error.
func (goEthereum) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle writes a line.
func (h goEthereum) Handle(_ context.Context, r slog.Record) error {
	h.log.Error(r.Message)
	return nil
}

// WithAttrs returns the handler: attributes are not written.
func (h goEthereum) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup returns the handler: attributes are not written.
func (h goEthereum) WithGroup(string) slog.Handler { return h }
