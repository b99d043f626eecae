package simulation

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
)

// TestSeeds runs -seeds seeds from -seed on, and the first -repeats of them twice. A bubble of fake time gains nothing from
// a second thread, so that several jobs are processes of one thread each.
func TestSeeds(t *testing.T) {
	var s seedSummary
	first, every, err := seedsOfEra(*eraFlag, *seedFlag, *everyFlag)
	require.NoError(t, err)
	begin, cpu := time.Now(), cpuTime(syscall.RUSAGE_SELF)
	if *jobsFlag > 1 {
		s = runProcesses(t, *jobsFlag, first, every)
		s.busy = cpuTime(syscall.RUSAGE_CHILDREN)
	} else {
		s = runSeeds(t, first, every)
		s.busy = cpuTime(syscall.RUSAGE_SELF) - cpu
	}
	fmt.Printf("%d seeds in %s (%s of one core, %s of fake time): %.0f an hour on one core; longest way from the last fault to working mode %s\n",
		s.done, time.Since(begin).Round(time.Second), s.busy.Round(time.Second), s.fake.Round(time.Second),
		float64(s.done)/s.busy.Hours(), s.slowest.Round(time.Second))
}

// seedSummary is what a run of many seeds took.
type seedSummary struct {
	done                int
	fake, slowest, busy time.Duration
}

// line is how a process passes its summary on to the one that started it.
const line = "job done: seeds %d fake %d slowest %d\n"

// seedsOfEra returns the first seed of an era from a seed on, and the distance between two.
func seedsOfEra(era string, from, every uint64) (first, apart uint64, err error) {
	switch era {
	case "":
		return from, every, nil
	case string(checkpoint.EraCoordinated):
		return (from + coordinatedEvery - 1) / coordinatedEvery * coordinatedEvery, every * coordinatedEvery, nil
	}
	return 0, 0, fmt.Errorf("-era is %q, want nothing or %s", era, checkpoint.EraCoordinated)
}

// The seeds of an era are all of it, in order, and one seed apart in that era.
func TestSeedsOfAnEra(t *testing.T) {
	t.Parallel()
	for _, from := range []uint64{1, 4, 5, 6, 310010} {
		first, apart, err := seedsOfEra("coordinated", from, 1)
		require.NoError(t, err)
		var want, got []uint64
		for seed := from; len(want) < 3; seed++ {
			if NewPlan(seed).coordinated != nil {
				want = append(want, seed)
			}
		}
		for n := range uint64(3) {
			got = append(got, first+n*apart)
		}
		require.Equal(t, want, got, "from seed %d", from)
	}
	first, apart, err := seedsOfEra("", 7, 3)
	require.NoError(t, err)
	require.Equal(t, [2]uint64{7, 3}, [2]uint64{first, apart})
	_, _, err = seedsOfEra("ancient", 1, 1)
	require.ErrorContains(t, err, "ancient")
}

func runSeeds(t *testing.T, first, every uint64) seedSummary {
	var s seedSummary
	for n := range uint64(*seedsFlag) {
		result := Run(t, first+n*every, Options{})
		s.done++
		s.fake += result.Took
		s.slowest = max(s.slowest, result.Recovered)
		if len(result.Violations) > 0 {
			tell(t, result, Options{})
			if !*allFlag {
				break
			}
		} else if n < uint64(*repeatsFlag) {
			repeat(t, result)
		}
	}
	if *everyFlag > 1 {
		fmt.Printf(line, s.done, s.fake, s.slowest)
	}
	return s
}

// runProcesses deals the seeds out to processes. Without -all the first violation
// ends them all.
func runProcesses(t *testing.T, jobs int, first, every uint64) seedSummary {
	var (
		sum   seedSummary
		mu    sync.Mutex
		group sync.WaitGroup
	)
	var running []*exec.Cmd
	for job := range jobs {
		share := func(all int) string { return strconv.Itoa((all - job + jobs - 1) / jobs) }
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestSeeds$", "-test.timeout", "0", "-every", strconv.FormatUint(uint64(jobs)*every, 10),
			"-seed", strconv.FormatUint(first+uint64(job)*every, 10), "-seeds", share(*seedsFlag), "-repeats", share(*repeatsFlag),
			"-all="+strconv.FormatBool(*allFlag), "-shrink="+strconv.FormatBool(*shrinkFlag))
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400")
		out := &lineWriter{each: func(text []byte) {
			mu.Lock()
			defer mu.Unlock()
			var s seedSummary
			if n, _ := fmt.Sscanf(string(text), line, &s.done, &s.fake, &s.slowest); n == 3 {
				sum.done += s.done
				sum.fake += s.fake
				sum.slowest = max(sum.slowest, s.slowest)
				return
			}
			os.Stdout.Write(text)
		}}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	stop := sync.OnceFunc(func() {
		for _, cmd := range running {
			_ = cmd.Process.Kill() // one that has ended is no error
		}
	})
	for _, cmd := range running {
		group.Go(func() {
			if err := cmd.Wait(); err != nil {
				t.Errorf("a process of the seeds ended: %v", err)
				if !*allFlag {
					stop()
				}
			}
		})
	}
	group.Wait()
	return sum
}

// lineWriter passes on whole lines.
type lineWriter struct {
	each func(line []byte)
	rest []byte
}

// Write implements io.Writer.
func (w *lineWriter) Write(data []byte) (int, error) {
	w.rest = append(w.rest, data...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 {
			return len(data), nil
		}
		w.each(w.rest[:end+1])
		w.rest = w.rest[end+1:]
	}
}

// cpuTime is what processes have used of all cores.
func cpuTime(of int) time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(of, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
