package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCallFilter(t *testing.T) {
	at := time.Unix(1000, 0)
	c := Call{Seq: 7, At: at, Method: "dag_finalize", Action: "hold", Outcome: "absorbed", DurationMS: 20000}
	six, seven := uint64(6), uint64(7)
	later := at.Add(time.Nanosecond)
	for name, f := range map[string]CallFilter{
		"all": {}, "behind": {After: &six}, "since": {Since: &at}, "method": {Methods: []string{"dag_sync", "dag_finalize"}},
		"action": {Actions: []string{"hold"}}, "outcome": {Outcomes: []string{"ok", "absorbed"}}, "long": {MinMS: 20000},
		"together": {After: &six, Since: &at, Methods: []string{"dag_finalize"}, Actions: []string{"hold"}, Outcomes: []string{"absorbed"}, MinMS: 1},
	} {
		require.True(t, f.Has(&c), name)
	}
	for name, f := range map[string]CallFilter{
		"not behind": {After: &seven}, "before": {Since: &later}, "method": {Methods: []string{"dag_sync"}},
		"action": {Actions: []string{"forward"}}, "outcome": {Outcomes: []string{"ok"}}, "short": {MinMS: 20000.5},
		"one of two": {Methods: []string{"dag_finalize"}, Outcomes: []string{"ok"}},
	} {
		require.False(t, f.Has(&c), name)
	}
}
