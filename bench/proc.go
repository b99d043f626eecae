package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of the times in /proc/PID/stat on Linux.
const clockTick = 10 * time.Millisecond

// memoryField reads a field such as VmHWM of /proc/PID/status, in bytes.
func memoryField(status []byte, field string) (uint64, error) {
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), ":")
		if !ok || name != field {
			continue
		}
		digits, ok := strings.CutSuffix(strings.TrimSpace(value), " kB")
		kilobytes, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil {
			return 0, fmt.Errorf("%s is %q, want a number of kB", field, strings.TrimSpace(value))
		}
		return kilobytes << 10, nil
	}
	return 0, fmt.Errorf("no %s", field)
}

// cpuTime reads the user and system time of /proc/PID/stat.
func cpuTime(stat []byte) (time.Duration, error) {
	const user, system = 11, 12 // after the name, which may hold anything but ends with the last ')'
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, errors.New("no name of the program")
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) <= system {
		return 0, fmt.Errorf("%d fields after the name, want more than %d", len(fields), system)
	}
	var ticks uint64
	for _, i := range []int{user, system} {
		n, err := strconv.ParseUint(fields[i], 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

func memoryOf(pid int, field string) (float64, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	size, err := memoryField(data, field)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return float64(size) / (1 << 20), nil
}

func cpuOf(pid int) (time.Duration, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	used, err := cpuTime(data)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return used, nil
}
