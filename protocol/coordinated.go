package protocol

import (
	"context"
	"errors"

	"github.com/gwatsync/syncd/gwatclient"
)

// Coordinated is the coordinated era with one gwat: dag_coordinatedState says where the
// last dag_finalize has left gwat. Its other methods are gwat's reads.
type Coordinated struct{ *gwatclient.Client }

var _ Reader = Coordinated{}

// State implements Reader.
func (c Coordinated) State(ctx context.Context) (State, error) {
	syncing, err := c.CoordinatedSyncing(ctx)
	if err != nil {
		return State{}, err
	}
	mark, err := c.Mark(ctx)
	s := State{Syncing: syncing, Mark: mark}
	switch {
	case err != nil:
	case mark == nil:
		s.Activity, s.Word = LoadingChain, gwatclient.ErrSynchronization.Error()
	case syncing:
		s.Activity = Behind
	}
	return s, err
}

// Mark returns where the last call has left gwat; nil while gwat loads and does not tell.
func (c Coordinated) Mark(ctx context.Context) (*Mark, error) {
	s, err := c.CoordinatedState(ctx)
	switch {
	case errors.Is(err, gwatclient.ErrSynchronization), errors.Is(err, gwatclient.ErrNullState):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &Mark{LastFinalized: s.LastFinalized, Epoch: s.Epoch, Root: s.CheckpointRoot}, nil
}
