package status

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

func TestNewError(t *testing.T) {
	at := time.Unix(1000, 0)
	require.Nil(t, NewError(nil, at))
	err := failure.WithKind(failure.NeedsHuman, errors.New("wrong network"))
	require.Equal(t, &Error{Kind: failure.Name(failure.NeedsHuman), Message: "wrong network", At: at}, NewError(err, at))
}

func TestNewNetwork(t *testing.T) {
	spec := checkpoint.Spec{ConfigName: "devnet", DepositChainID: 7, GenesisTime: 1000, SecondsPerSlot: 4, SlotsPerEpoch: 8}
	n := NewNetwork(spec, time.Unix(1000+9, 0))
	require.Equal(t, &Network{Name: "devnet", ChainID: 7, GenesisTime: 1000, SecondsPerSlot: 4, SlotsPerEpoch: 8, CurrentSlot: 2}, n)
	require.Zero(t, NewNetwork(spec, time.Unix(10, 0)).CurrentSlot, "before genesis")
}

func TestMilliseconds(t *testing.T) {
	require.InDelta(t, 1.234, Milliseconds(1234567*time.Nanosecond), 0)
}
