package checkpoint

// Era is a version of the protocol between beacon node and gwat.
type Era string

// The eras.
const (
	// EraHeadSync is the protocol of gwat from 2022-09 to 2023-04:
	// dag_headSyncReady and dag_headSync.
	EraHeadSync Era = "head-sync"
	// EraCoordinated is the protocol of gwat since 2023-04: dag_coordinatedState and
	// dag_finalize with a sync mode. The beacon node drives, syncd watches.
	EraCoordinated Era = "coordinated"
)
