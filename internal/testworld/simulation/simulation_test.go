package simulation

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var (
	seedFlag    = flag.Uint64("seed", 1, "first seed")
	seedsFlag   = flag.Int("seeds", 20, "how many seeds TestSeeds runs")
	allFlag     = flag.Bool("all", false, "TestSeeds goes on after a violation")
	jobsFlag    = flag.Int("jobs", 1, "how many seeds TestSeeds runs at a time")
	repeatsFlag = flag.Int("repeats", 5, "how many seeds TestRepeat runs twice")
	strideFlag  = flag.Int("stride", 997, "TestCrashEverywhere kills syncd at every so many moments")
	keepFlag    = flag.String("keep", "", "numbers of the faults that TestReplay keeps, with commas between, or none; empty for all")
	crashFlag   = flag.Int("crash", 0, "the moment at which TestReplay kills syncd")
	afterFlag   = flag.Bool("after", false, "kill it right after that moment's step, not before")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSeeds(t *testing.T) {
	begin, cpu := time.Now(), cpuTime()
	var next, done atomic.Int64
	var slowest, fake atomic.Int64
	t.Run("jobs", func(t *testing.T) {
		for job := range *jobsFlag {
			t.Run(strconv.Itoa(job), func(t *testing.T) {
				t.Parallel()
				for {
					n := next.Add(1) - 1
					if n >= int64(*seedsFlag) {
						return
					}
					result := Run(t, *seedFlag+uint64(n), Options{})
					done.Add(1)
					fake.Add(int64(result.Took))
					slowest.Store(max(slowest.Load(), int64(result.Recovered)))
					if len(result.Violations) > 0 {
						tell(t, result, Options{})
						if !*allFlag {
							next.Store(int64(*seedsFlag))
						}
					}
				}
			})
		}
	})
	busy := cpuTime() - cpu
	fmt.Printf("%d seeds in %s (%s of one core, %s of fake time): %.0f an hour on one core; longest way from the last fault to working mode %s\n",
		done.Load(), time.Since(begin).Round(time.Second), busy.Round(time.Second), time.Duration(fake.Load()).Round(time.Second),
		float64(done.Load())/busy.Hours(), time.Duration(slowest.Load()).Round(time.Second))
}

// cpuTime is what the process has used of all cores.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// tell prints what was broken, the fewest faults that break it, and how to see it again.
func tell(t *testing.T, failed Result, o Options) {
	for _, v := range failed.Violations {
		fmt.Printf("VIOLATION %s seed %d at %.3fs: %s\n", v.Rule, failed.Seed, v.At.Seconds(), v.What)
	}
	small := Shrink(t, failed, o)
	fmt.Printf("%sreplay: %s\n", small.Plan, small.Replay())
	t.Errorf("seed %d breaks %s", failed.Seed, failed.Violations[0].Rule)
}

// Two runs of a seed are the same in every event.
func TestRepeat(t *testing.T) {
	t.Parallel()
	for seed := *seedFlag; seed < *seedFlag+uint64(*repeatsFlag); seed++ {
		first, second := Run(t, seed, Options{}), Run(t, seed, Options{})
		if first.Hash != second.Hash {
			t.Errorf("seed %d has two logs: %016x of %d events, %016x of %d", seed, first.Hash, first.Events, second.Hash, second.Events)
		}
	}
}

// A run is the same in another process, with another number of threads.
func TestRepeatInAnotherProcess(t *testing.T) {
	t.Parallel()
	for seed := *seedFlag; seed < *seedFlag+3; seed++ {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", "^TestReplay$", "-seed", strconv.FormatUint(seed, 10))
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err)
		hash := regexp.MustCompile(`hash ([0-9a-f]{16})`).FindSubmatch(out)
		require.NotNil(t, hash)
		require.Equal(t, fmt.Sprintf("%016x", Run(t, seed, Options{}).Hash), string(hash[1]), "seed %d", seed)
	}
}

// syncd is killed at the moments in which it waits for the world, right before and
// right after the step that it waits for.
func TestCrashEverywhere(t *testing.T) {
	t.Parallel()
	whole := Run(t, *seedFlag, Options{NoCrash: true})
	require.Positive(t, whole.Moments)
	runs := 0
	for at := 1; at <= whole.Moments; at += *strideFlag {
		for _, after := range []bool{false, true} {
			o := Options{NoCrash: true, CrashAt: at, CrashAfter: after}
			runs++
			if result := Run(t, *seedFlag, o); len(result.Violations) > 0 {
				tell(t, result, o)
				if !*allFlag {
					return
				}
			}
		}
	}
	t.Logf("syncd was killed in %d runs, at every %d. of %d moments", runs, *strideFlag, whole.Moments)
}

// TestReplay prints the events of one run; with -v they are seen.
func TestReplay(t *testing.T) {
	o := Options{CrashAt: *crashFlag, CrashAfter: *afterFlag, NoCrash: *crashFlag > 0}
	if testing.Verbose() {
		o.Log = func(line string) { fmt.Println(line) }
		log := logrus.New()
		log.SetOutput(os.Stdout)
		o.Daemon = log
	}
	for text := range strings.SplitSeq(*keepFlag, ",") {
		switch text {
		case "":
		case "none":
			o.NoFaults = true
		default:
			n, err := strconv.Atoi(text)
			require.NoError(t, err)
			o.Keep = append(o.Keep, n)
		}
	}
	result := Run(t, *seedFlag, o)
	if testing.Verbose() {
		fmt.Print(result.Plan)
		fmt.Printf("hash %016x, %d events, %d steps, %d moments, %s, working again after %s\n",
			result.Hash, result.Events, result.Steps, result.Moments, result.Took, result.Recovered)
	}
	for _, v := range result.Violations {
		t.Errorf("VIOLATION %s seed %d at %.3fs: %s", v.Rule, *seedFlag, v.At.Seconds(), v.What)
	}
}
