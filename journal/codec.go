package journal

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gwatsync/syncd/checkpoint"
)

// version of the values below; one of another version is not guessed at.
const version = 1

// maxValue bounds what is decoded: no value of ours comes near it.
const maxValue = 64 << 10

// ErrBadValue is a stored value that cannot be used.
var ErrBadValue = errors.New("unusable journal value")

// envelope is the stored form: {"v":1,"data":{…}}.
type envelope struct {
	Version int             `json:"v"`
	Data    json.RawMessage `json:"data"`
}

func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode journal value: %w", err)
	}
	return json.Marshal(envelope{Version: version, Data: data})
}

// envelopeOf reads the stored form, of whatever version.
func envelopeOf(raw []byte) (e envelope, err error) {
	if len(raw) > maxValue {
		return e, fmt.Errorf("%w: %d bytes, at most %d", ErrBadValue, len(raw), maxValue)
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, fmt.Errorf("%w: no JSON envelope", ErrBadValue)
	}
	return e, nil
}

func decode[T any](raw []byte) (*T, error) {
	e, err := envelopeOf(raw)
	if err != nil {
		return nil, err
	}
	if e.Version != version {
		age := "an older"
		if e.Version > version {
			age = "a newer"
		}
		return nil, fmt.Errorf("%w: %s syncd wrote it in form %d, this one reads form %d", ErrBadValue, age, e.Version, version)
	}
	var v *T
	if err := json.Unmarshal(e.Data, &v); err != nil || v == nil {
		return nil, fmt.Errorf("%w: not of the expected shape", ErrBadValue)
	}
	if p, ok := any(v).(*pendingRecord); ok && p.Call != checkpoint.CallReady && p.Call != checkpoint.CallPush {
		return nil, fmt.Errorf("%w: a pending call that is neither %q nor %q", ErrBadValue, checkpoint.CallReady, checkpoint.CallPush)
	}
	return v, nil
}
