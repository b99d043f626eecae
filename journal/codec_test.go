package journal

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

func TestDecodeRefuses(t *testing.T) {
	for name, raw := range map[string]string{
		"empty":        "",
		"no envelope":  `[]`,
		"no version":   `{"data":{"call":"push"}}`,
		"no data":      `{"v":1}`,
		"null":         `{"v":1,"data":null}`,
		"wrong shape":  `{"v":1,"data":{"call":7}}`,
		"unknown call": `{"v":1,"data":{"call":"dance"}}`,
		"short hash":   `{"v":1,"data":{"call":"push","root":"0x12"}}`,
		"too large":    `{"v":1,"data":"` + string(make([]byte, maxValue)) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decode[Pending]([]byte(raw))
			require.ErrorIs(t, err, ErrBadValue)
			require.Less(t, len(err.Error()), 200)
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range []any{pending, confirmed, status.Network{ChainID: 1}, status.Change{To: "working"}} {
		raw, err := encode(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"v":1,"data":{"call":"push"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		roundTrip[Pending](t, raw)
		roundTrip[status.Confirmed](t, raw)
		roundTrip[status.Network](t, raw)
		roundTrip[status.Change](t, raw)
	})
}

// roundTrip: what decodes can be written again and read back as the same.
func roundTrip[T any](t *testing.T, raw []byte) {
	v, err := decode[T](raw)
	if err != nil {
		require.ErrorIs(t, err, ErrBadValue)
		return
	}
	again, err := encode(v)
	if err != nil {
		return // a time outside RFC 3339 cannot be written
	}
	back, err := decode[T](again)
	require.NoError(t, err)
	third, err := encode(back)
	require.NoError(t, err)
	require.Equal(t, string(again), string(third))
}
