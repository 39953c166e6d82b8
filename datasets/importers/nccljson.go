package importers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// ncclReport is the JSON of nccl-tests (src/util.cu, versions 1 to 3), as far
// as it is read. Each process adds one entry to devices, whatever its number of
// threads and GPUs, so that ranks are devices × nthreads × ngpus.
type ncclReport struct {
	Args        []string `json:"args"`
	NCCLVersion int      `json:"nccl_version"`
	Config      struct {
		Threads int `json:"nthreads"`
		GPUs    int `json:"ngpus"`
		Graph   int `json:"graph"`
		Devices []struct {
			Host string `json:"hostname"`
			Info string `json:"device_info"`
		} `json:"devices"`
	} `json:"config"`
	Results []struct {
		Size       looseText    `json:"size"`
		Type       string       `json:"type"`
		OutOfPlace *ncclMeasure `json:"out_of_place"`
		InPlace    *ncclMeasure `json:"in_place"`
	} `json:"results"`
}

// ncclMeasure is one placement; times are microseconds.
type ncclMeasure struct {
	Time    looseText `json:"time"`
	CPUTime looseText `json:"cpu_time"`
	AlgBW   looseText `json:"alg_bw"`
	BusBW   looseText `json:"bus_bw"`
	Wrong   looseText `json:"nwrong"`
}

// looseText is a JSON number, text or null, as text: tools print figures that
// they lack as "nan", "N/A" or null.
type looseText string

func (l *looseText) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	if raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(l))
	}
	*l = looseText(raw)
	return nil
}

// isJSON reports whether a file begins as a JSON object or array does.
func isJSON(data []byte) bool {
	data = bytes.TrimSpace(data)
	return len(data) > 0 && (data[0] == '{' || data[0] == '[' && bytes.HasPrefix(bytes.TrimSpace(data[1:]), []byte("{")))
}

// maxRanks bounds a count of ranks that a file claims.
const maxRanks = 1 << 20

func (b *batch) ncclJSON(data []byte) error {
	var report ncclReport
	if err := json.Unmarshal(data, &report); err != nil {
		return fmt.Errorf("damaged JSON: %w", err)
	}
	if report.Results == nil {
		return fmt.Errorf("the JSON holds no results of nccl-tests")
	}
	run := ncclRun{op: opOfFile(b.file), ncclVersion: ncclRelease(strconv.Itoa(report.NCCLVersion)),
		graph: report.Config.Graph > 0}
	if len(report.Args) > 0 {
		run.op = cmp.Or(opIn(filepath.Base(report.Args[0])), run.op)
	}
	perProcess := max(report.Config.Threads, 1) * max(report.Config.GPUs, 1)
	if perProcess < 1 || perProcess > maxRanks/max(len(report.Config.Devices), 1) {
		return fmt.Errorf("the JSON claims %d threads of %d GPUs", report.Config.Threads, report.Config.GPUs)
	}
	for process, d := range report.Config.Devices {
		for i := range perProcess {
			run.rank(strconv.Itoa(process*perProcess+i), d.Host, strconv.Itoa(process*perProcess+i), d.Info)
		}
	}
	for i, r := range report.Results {
		for inPlace, m := range []*ncclMeasure{r.OutOfPlace, r.InPlace} {
			if m == nil {
				continue
			}
			time := m.Time
			if time == "" {
				time = m.CPUTime
			}
			b.ncclRow(&run, ncclRow{record: int64(i + 1), size: string(r.Size), dtype: strings.TrimSpace(r.Type),
				time: string(time), algbw: string(m.AlgBW), busbw: string(m.BusBW), wrong: string(m.Wrong), inPlace: inPlace == 1})
		}
	}
	return nil
}
