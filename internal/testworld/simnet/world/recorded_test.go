package world

import (
	"bytes"
	"compress/gzip"
	"testing"
	"testing/fstest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
)

func recorded(t *testing.T, options RecordedOptions) *Recorded {
	r, err := LoadRecorded(nil, options)
	require.NoError(t, err)
	return r
}

func TestRecordedCreatorsAndFinalizingAreTheTruth(t *testing.T) {
	r := recorded(t, RecordedOptions{})
	truth, err := RecordedTruth()
	require.NoError(t, err)
	require.Len(t, truth.Sent, 247)
	for slot, sent := range truth.Sent {
		require.EqualValues(t, slot, sent.Slot)
		require.Equal(t, sent.Creators, Creators(r, sent.Slot), "slot %d", slot)
		if block, ok := r.Ancestor(r.HeadAt(246), sent.Slot); ok && slot >= 2 {
			require.Equal(t, sent.Finalizing, block.Finalization, "slot %d", slot)
			require.Equal(t, sent.Finalizing, r.NextFinalization(r.HeadAt(sent.Slot-1)))
		}
	}
}

func TestRecordedNumbersFollowTheOrderRule(t *testing.T) {
	r := recorded(t, RecordedOptions{})
	truth, err := RecordedTruth()
	require.NoError(t, err)
	require.Len(t, truth.Numbers, 243)
	f := newFinalizer(r)
	for _, block := range bodies(t, r, r.HeadAt(1000)) {
		for _, spine := range block.Finalization {
			require.NoError(t, f.finalize(spine))
		}
	}
	require.Len(t, f.order, 242)
	for _, spine := range r.NextFinalization(r.HeadAt(246)) {
		require.NoError(t, f.finalize(spine))
	}
	require.Equal(t, truth.Numbers, f.number)
}

func TestRecordedViews(t *testing.T) {
	r := recorded(t, RecordedOptions{})
	require.EqualValues(t, 1795209409, r.Spec().GenesisTime)
	require.Equal(t, r.HeadAt(0), r.HeadAt(1))
	_, ok := r.Ancestor(r.HeadAt(5), 1)
	require.False(t, ok)
	_, ok = r.Ancestor(r.HeadAt(5), 6)
	require.False(t, ok)
	_, ok = r.Block(common.Hash{1})
	require.False(t, ok)
	require.Len(t, r.Validators(), 64)
	require.Len(t, r.Committees(3), 32)
	require.Len(t, r.DAGSlot(9), 1)
	require.Empty(t, r.DAGSlot(500))
	require.Nil(t, r.NextFinalization(&BeaconBlock{}))
	f := r.Finality(r.HeadAt(140))
	require.EqualValues(t, 3, f.CurrentJustified.Epoch)
	require.Equal(t, r.HeadAt(96).Root, f.CurrentJustified.Root)
	require.EqualValues(t, 6, r.Finality(r.HeadAt(246)).CurrentJustified.Epoch)

	r = recorded(t, RecordedOptions{GenesisTime: 77, HeadSlot: 200, Justified: 3})
	require.EqualValues(t, 77, r.Spec().GenesisTime)
	require.EqualValues(t, 200, r.HeadAt(246).Slot)
	require.Equal(t, f, r.Finality(r.HeadAt(246)))

	for _, options := range []RecordedOptions{{HeadSlot: 247}, {Justified: 7}} {
		_, err := LoadRecorded(nil, options)
		require.ErrorIs(t, err, ErrBadConfig)
	}
}

func TestUnusableRecordings(t *testing.T) {
	zip := func(text string) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return out.Bytes()
	}
	const spec = `{"spec":{"SlotsPerEpoch":32,"SecondsPerSlot":4,"CreatorsPerSlot":4}}`
	for name, content := range map[string][]byte{
		"not zipped":  []byte("hello"),
		"not json":    zip("hello"),
		"no spec":     zip(`{"validator":{}}`),
		"nothing":     zip(spec),
		"no ancestry": zip(spec + `{"validator":{}}{"dag":{}}{"block":{}}{"block":{"Slot":1,"ParentRoot":"0x0000000000000000000000000000000000000000000000000000000000000009"}}`),
		"no spine":    zip(spec + `{"validator":{}}{"dag":{}}{"block":{}}{"block":{"Slot":1}}`),
	} {
		_, err := LoadRecorded(fstest.MapFS{recordingFile: {Data: content}}, RecordedOptions{})
		require.ErrorIs(t, err, ErrBadRecording, name)
	}
	_, err := LoadRecorded(fstest.MapFS{}, RecordedOptions{})
	require.Error(t, err)

	r := &recording{spec: checkpoint.Spec{}, committees: map[primitives.Epoch][]Committee{}}
	require.ErrorIs(t, r.check(), ErrBadRecording)
}
