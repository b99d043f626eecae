package main

import (
	"encoding/json"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	require.Equal(t, 3.0, median([]float64{9, 1, 3}))
	require.Equal(t, 2.5, median([]float64{4, 1, 2, 3}))
	require.True(t, math.IsNaN(median(nil)))
	values := []float64{3, 1, 2}
	median(values)
	require.Equal(t, []float64{3, 1, 2}, values, "the values stay in their order")
}

func TestPercentile(t *testing.T) {
	var hundred []float64
	for i := 100; i > 0; i-- {
		hundred = append(hundred, float64(i))
	}
	require.Equal(t, 99.0, percentile(hundred, 99))
	require.Equal(t, 100.0, percentile(hundred, 100))
	require.Equal(t, 1.0, percentile(hundred, 0))
	require.Equal(t, 7.0, percentile([]float64{7}, 99))
	require.Equal(t, 10.0, percentile(hundred[90:], 99), "of few values it is the largest")
	require.True(t, math.IsNaN(percentile(nil, 99)))
}

func TestSpread(t *testing.T) {
	s := spreadOf([]float64{2, 8, 4})
	require.Equal(t, spread{Rounds: 3, Min: 2, Median: 4, Max: 8}, *s)
	require.Equal(t, "2..8 of 3", s.String())
	require.Nil(t, spreadOf(nil))
	require.Empty(t, spreadOf(nil).String())
}

func TestFigure(t *testing.T) {
	require.True(t, figure("a", atLeast(20, ""), 20, nil).OK)
	require.False(t, figure("a", atLeast(20, ""), 19.9, nil).OK)
	require.True(t, figure("a", atMost(0.3, "%"), 0.3, nil).OK)
	require.False(t, figure("a", atMost(0.3, "%"), 0.31, nil).OK)
	wrong := figure("a", atLeast(20, "ms"), 30, errors.New("another order"))
	require.False(t, wrong.OK, "a run that was not correct reaches nothing")
	require.NotEmpty(t, wrong.Error)

	data, err := json.Marshal([]row{figure("a", atMost(0.3, "%"), 0.123456, nil), {Name: "b", Want: ">= 1"}})
	require.NoError(t, err)
	require.JSONEq(t, `[{"name":"a","value":0.1235,"unit":"%","want":"<= 0.3 %","ok":true},
		{"name":"b","value":null,"want":">= 1","ok":false}]`, string(data))
	for value, text := range map[number]string{0: "0", 123456: "123500", -0.5: "-0.5"} {
		data, err := json.Marshal(value)
		require.NoError(t, err)
		require.Equal(t, text, string(data))
	}
}
