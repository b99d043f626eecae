package checkpoint

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEraHasAName(t *testing.T) {
	for era, want := range map[Era]string{EraUnknown: "unknown", EraHeadSync: "head-sync", EraCoordinated: "coordinated"} {
		require.Equal(t, want, era.String())
		raw, err := json.Marshal(struct{ Era Era }{era})
		require.NoError(t, err)
		require.JSONEq(t, `{"Era":"`+want+`"}`, string(raw))
	}
}
