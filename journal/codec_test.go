package journal

import (
	"testing"

	"github.com/stretchr/testify/require"
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
			_, err := decode[pendingRecord]([]byte(raw))
			require.ErrorIs(t, err, ErrBadValue)
			require.Less(t, len(err.Error()), 200)
		})
	}
}
