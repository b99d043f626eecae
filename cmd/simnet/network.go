package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// positive are the flags for which 0 means nothing; world would take its default.
var positive = []string{
	"seconds-per-slot", "slots-per-epoch", "creators-per-slot", "chain-id", "validators", "committees-per-slot",
	"max-blocks-per-slot", "max-fork-depth", "finalization-delay",
}

// network builds the world that the flags describe.
func network(c *cli.Command) (world.Chain, error) {
	genesis, err := genesisTime(c.String("genesis"), c.String("genesis-file"), time.Now())
	if err != nil {
		return nil, err
	}
	if c.Bool("recorded") {
		chain, err := world.LoadRecorded(nil, world.RecordedOptions{
			GenesisTime: genesis,
			HeadSlot:    primitives.Slot(c.Uint64("recorded-head")),
			Justified:   primitives.Epoch(c.Uint64("recorded-justified")),
		})
		if err != nil {
			return nil, usageError(err)
		}
		return chain, nil
	}
	if genesis == 0 {
		return nil, errNoGenesis
	}
	for _, flag := range positive {
		if c.Uint64(flag) == 0 {
			return nil, usageError(fmt.Errorf("--%s is 0; want at least 1", flag))
		}
	}
	cfg := world.Config{
		Seed:              c.Uint64("seed"),
		GenesisTime:       genesis,
		SecondsPerSlot:    c.Uint64("seconds-per-slot"),
		SlotsPerEpoch:     c.Uint64("slots-per-epoch"),
		CreatorsPerSlot:   c.Uint64("creators-per-slot"),
		ChainID:           c.Uint64("chain-id"),
		Validators:        c.Uint64("validators"),
		CommitteesPerSlot: c.Uint64("committees-per-slot"),
		MaxBlocksPerSlot:  c.Uint64("max-blocks-per-slot"),
		MissRate:          c.Float("miss-rate"),
		QuietRate:         c.Float("quiet-rate"),
		ForkRate:          c.Float("fork-rate"),
		MaxForkDepth:      c.Uint64("max-fork-depth"),
		FinalizationDelay: c.Uint64("finalization-delay"),
	}
	for _, value := range c.StringSlice("reorg") {
		slot, depth, err := twoNumbers("reorg", value, ":")
		if err != nil {
			return nil, err
		}
		cfg.Reorgs = append(cfg.Reorgs, world.Reorg{Slot: primitives.Slot(slot), Depth: depth})
	}
	for _, value := range c.StringSlice("stall") {
		from, to, err := twoNumbers("stall", value, "-")
		if err != nil {
			return nil, err
		}
		cfg.StallJustification = append(cfg.StallJustification, world.EpochRange{From: primitives.Epoch(from), To: primitives.Epoch(to)})
	}
	generated, err := world.New(cfg)
	if err != nil {
		return nil, usageError(err)
	}
	return generated, nil
}

func twoNumbers(flag, value, separator string) (uint64, uint64, error) {
	left, right, _ := strings.Cut(value, separator)
	a, errA := strconv.ParseUint(left, 10, 64)
	b, errB := strconv.ParseUint(right, 10, 64)
	if errA != nil || errB != nil {
		return 0, 0, usageError(fmt.Errorf("--%s is %q; want two numbers as in 40%s3", flag, value, separator))
	}
	return a, b, nil
}

// genesisTime reads "" (0), Unix seconds or "now-120s"; with a file, what the
// file has goes before a relative time, and is written if it has nothing yet.
func genesisTime(value, file string, now time.Time) (uint64, error) {
	offset, relative := strings.CutPrefix(value, "now")
	if !relative {
		if value == "" {
			return 0, nil
		}
		genesis, err := strconv.ParseUint(value, 10, 64)
		if err != nil || genesis == 0 {
			return 0, usageError(fmt.Errorf("--genesis is %q; want Unix seconds or a time relative to now as in now-120s", value))
		}
		return genesis, nil
	}
	var shift time.Duration
	if offset != "" {
		var err error
		if shift, err = time.ParseDuration(offset); err != nil {
			return 0, usageError(fmt.Errorf("--genesis is %q; want a time relative to now as in now-120s", value))
		}
	}
	genesis := now.Add(shift).Unix()
	if genesis <= 0 {
		return 0, usageError(fmt.Errorf("--genesis is %q, which lies before 1970", value))
	}
	if file == "" {
		return uint64(genesis), nil
	}
	return agreedGenesis(file, uint64(genesis))
}

// agreedGenesis gives the time in file. The first process writes it; a link
// makes it appear whole and only once, whoever comes first.
func agreedGenesis(file string, genesis uint64) (uint64, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return 0, fmt.Errorf("keep the genesis time: %w", err)
	}
	own := fmt.Sprintf("%s.%d", file, os.Getpid())
	if err := os.WriteFile(own, []byte(strconv.FormatUint(genesis, 10)), 0o644); err != nil {
		return 0, fmt.Errorf("keep the genesis time: %w", err)
	}
	defer os.Remove(own)
	if err := os.Link(own, file); err != nil && !errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("keep the genesis time: %w", err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("read the genesis time: %w", err)
	}
	agreed, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil || agreed == 0 {
		return 0, usageError(fmt.Errorf("--genesis-file %s holds %.40q; want Unix seconds, or remove it", file, raw))
	}
	return agreed, nil
}
