package recording

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/health"
)

// What was recorded of a poll is read under the names that it was written with.
func TestOldNamesOfAPollAreRead(t *testing.T) {
	var in health.Input
	require.NoError(t, json.Unmarshal([]byte(`{"Rival":"a rollback","Failed":3,"Refused":2,"Events":7}`), &in))
	require.Equal(t, "a rollback", in.Competing)
	require.Equal(t, []int{3, 2, 7}, []int{in.Failed, in.Refused, int(in.Events)})
}
