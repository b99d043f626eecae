package checkpoint

// Era is a version of the protocol between beacon node and gwat.
type Era string

// The eras.
const (
	// EraUnknown is the era of a pair whose nodes did not say who they are.
	EraUnknown Era = ""
	// EraHeadSync is the protocol of gwat from 2022-09 to 2023-04:
	// dag_headSyncReady and dag_headSync.
	EraHeadSync Era = "head-sync"
	// EraCoordinated is the protocol of gwat since 2023-04: dag_coordinatedState and
	// dag_finalize with a sync mode. The beacon node drives, syncd watches.
	EraCoordinated Era = "coordinated"
)

// String returns the name of the era; "unknown" for EraUnknown.
func (e Era) String() string {
	if e == EraUnknown {
		return "unknown"
	}
	return string(e)
}

// MarshalText returns the name of the era.
func (e Era) MarshalText() ([]byte, error) { return []byte(e.String()), nil }
