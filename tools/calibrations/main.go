// Calibrations fits the shipped calibrations (datasets/catalog/calibrations) to the
// recorded measurements:
//
//	go run ./tools/calibrations [../shared/data]
//
// It starts from the laws' own values, not from what is shipped, so that the result
// depends on the data and the program alone.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/datasets/importers"
	"bench/predict"
)

// sources are the folders of the data, with the tool that wrote each.
var sources = []struct{ folder, format, source string }{
	{"aiconfigurator", "aiconfigurator", "ai-dynamo/aiconfigurator commit 095f58a (Apache-2.0)"},
	{"stacks", "aiconfigurator", ""},
	{"vidur", "vidur", "microsoft/vidur commit 7d47513 (MIT)"},
	{"llmcompass", "llmcompass", "PrincetonUniversity/LLMCompass commit 2e015fd (BSD-3-Clause)"},
}

func main() {
	data := filepath.Join("..", "shared", "data")
	if len(os.Args) > 1 {
		data = os.Args[1]
	}
	if err := write(data); err != nil {
		fmt.Fprintln(os.Stderr, "calibrations:", err)
		os.Exit(2)
	}
}

func write(data string) error {
	of := map[string][]datasets.Row{}
	from := map[string]string{}
	for _, s := range sources {
		run, _, err := importers.Import(s.format, []string{filepath.Join(data, s.folder)})
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, r := range run.Rows {
			of[r.DeviceID] = append(of[r.DeviceID], r)
			if !seen[r.DeviceID] && s.source != "" {
				from[r.DeviceID] += "; " + s.source
			}
			seen[r.DeviceID] = true
		}
	}
	for id, rows := range of {
		dev, err := catalog.Lookup(id)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		c, err := predict.Calibrate(dev, rows, predict.Options{Source: fmt.Sprintf("%d rows%s", len(rows), from[id])})
		if err != nil {
			return err
		}
		text, err := json.Marshal(c)
		if err == nil {
			err = os.WriteFile(filepath.Join("datasets", "catalog", "calibrations", id+".json"), append(text, '\n'), 0o644)
		}
		if err != nil {
			return err
		}
		fmt.Println(id, len(rows), "rows", len(text), "bytes")
	}
	return nil
}
