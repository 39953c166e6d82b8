package datasets

import (
	"math"
	"reflect"
	"slices"
)

// SchemaVersion is the version of the Parquet form and of the journal. It
// grows when a reader of the last version would misread a file; columns may be
// added without.
const SchemaVersion = 1

// field is one column: its name, the place of its value in a record, and when
// it is null. Exactly one accessor is set.
//
// A new column is one line in the table that it belongs to (identityFields,
// measurementFields, derivedFields, tierFields; a workload's come from the tags of its
// struct): name with unit, accessor, and presentIf where a zero is a value. Parquet,
// JSON and CSV follow. Names stay, since files have them: a column that must be called
// otherwise gets a line in renamed, and a new meaning gets a new name.
type field struct {
	name string
	// derived columns are written and never read back.
	derived bool
	// dict is set for texts of few values.
	dict bool

	integer func(*record) *int64
	float   func(*record) *float64
	text    func(*record) *string
	flag    func(*record) *bool
	floats  func(*record) *[]float64
	texts   func(*record) *[]string

	// present says that a zero is a value and not a null; nil is never.
	present func(*record) bool
	// seen, if any, is told that the column is not null in a record read.
	seen func(*record)
}

func integer(name string, at func(*record) *int64) field { return field{name: name, integer: at} }
func float(name string, at func(*record) *float64) field { return field{name: name, float: at} }
func text(name string, at func(*record) *string) field {
	return field{name: name, text: at, dict: true}
}
func floats(name string, at func(*record) *[]float64) field { return field{name: name, floats: at} }
func texts(name string, at func(*record) *[]string) field {
	return field{name: name, texts: at, dict: true}
}
func flag(name string, at func(*record) *bool) field { return field{name: name, flag: at} }

func (f field) plain() field       { f.dict = false; return f }
func (f field) derivedOnly() field { f.derived = true; return f }
func (f field) presentIf(p func(*record) bool) field {
	f.present = p
	return f
}

// fields lists every column in file order.
var fields = buildFields()

// renamed has the columns that had another name before rows carried their stack.
var renamed = map[string]string{"stack": "implementation", "stack_version": "implementation_version"}

// fieldIndex finds a column by name, old or new.
var fieldIndex = func() map[string]int {
	m := make(map[string]int, len(fields))
	for i, f := range fields {
		m[f.name] = i
	}
	for name, old := range renamed {
		m[old] = m[name]
	}
	return m
}()

func buildFields() []field {
	all := identityFields()
	w := workloadFields()
	all = append(slices.Insert(all, 3, w[:3]...), w[3:]...) // op, dtype and ranks beside suite
	all = append(all, measurementFields()...)
	all = append(all, derivedFields()...)
	for i, t := range Tiers {
		all = append(all, tierFields(i, string(t))...)
	}
	return all
}

func identityFields() []field {
	return []field{
		text("run_id", func(r *record) *string { return &r.runID }).derivedOnly(),
		text("key", func(r *record) *string { return &r.key }).plain().derivedOnly(),
		text("suite", func(r *record) *string { return &r.suite }),
		text("device_id", func(r *record) *string { return &r.row.DeviceID }),
		text("device_uuid", func(r *record) *string { return &r.row.DeviceUUID }),
	}
}

// workloadFields are the columns of the declared operations.
func workloadFields() []field {
	list := make([]field, len(workloadColumns))
	for i, c := range workloadColumns {
		switch c.kind {
		case reflect.Int64:
			list[i] = integer(c.name, func(r *record) *int64 { return &r.integers[c.at] })
		case reflect.Float64:
			list[i] = float(c.name, func(r *record) *float64 { return &r.reals[c.at] })
		case reflect.String:
			list[i] = text(c.name, func(r *record) *string { return &r.texts[c.at] })
		default:
			list[i] = flag(c.name, func(r *record) *bool { return &r.flags[c.at] })
		}
		list[i].present = func(r *record) bool { return r.operation != nil && r.operation.declares[i] }
	}
	return list
}

func measurementFields() []field {
	checked := func(r *record) bool { return r.checked }
	measured := func(r *record) bool { return r.row.Measurement.Source == SourceMeasured }
	return []field{
		text("source", func(r *record) *string { return (*string)(&r.row.Measurement.Source) }),
		text("verdict", func(r *record) *string { return (*string)(&r.row.Measurement.Verdict) }),
		text("reason", func(r *record) *string { return &r.row.Measurement.Reason }),
		texts("flags", func(r *record) *[]string { return &r.row.Measurement.Flags }),
		floats("samples_s", func(r *record) *[]float64 { return &r.row.Measurement.SamplesS }),
		integer("batch_iterations", func(r *record) *int64 { return &r.row.Measurement.BatchIterations }),
		float("time_median_s", func(r *record) *float64 { return &r.row.Measurement.TimeS }),
		float("time_low_s", func(r *record) *float64 { return &r.row.Measurement.LowS }),
		float("time_high_s", func(r *record) *float64 { return &r.row.Measurement.HighS }),
		float("confidence", func(r *record) *float64 { return &r.row.Measurement.Confidence }),
		float("wall_s", func(r *record) *float64 { return &r.row.Measurement.WallS }),
		text("stop", func(r *record) *string { return &r.row.Measurement.Stop }),
		integer("wrong", func(r *record) *int64 { return &r.row.Measurement.Wrong }).presentIf(checked),
		integer("checked", func(r *record) *int64 { return &r.row.Measurement.Checked }),
		float("max_rel_error", func(r *record) *float64 { return &r.row.Measurement.MaxRelError }).presentIf(checked),
		float("rel_error_bound", func(r *record) *float64 { return &r.row.Measurement.RelErrBound }),
		text("stack", func(r *record) *string { return &r.row.Measurement.Stack.Library }),
		text("stack_version", func(r *record) *string { return &r.row.Measurement.Stack.Version }),
		text("kernel_source", func(r *record) *string { return &r.row.Measurement.Stack.KernelSource }),
		integer("active_experts", func(r *record) *int64 { return &r.row.Measurement.ActiveExperts }),
		float("max_load", func(r *record) *float64 { return &r.row.Measurement.MaxLoad }),
		float("mean_load", func(r *record) *float64 { return &r.row.Measurement.MeanLoad }),

		integer("start_unix_ns", func(r *record) *int64 { return &r.row.Measurement.Conditions.StartUnixNS }),
		float("clock_hz", func(r *record) *float64 { return &r.row.Measurement.Conditions.ClockHz }),
		text("governor", func(r *record) *string { return &r.row.Measurement.Conditions.Governor }),
		float("load_average", func(r *record) *float64 { return &r.row.Measurement.Conditions.LoadAverage }),
		float("sentinel_ratio", func(r *record) *float64 { return &r.row.Measurement.Conditions.SentinelRatio }),
		float("steal_ratio", func(r *record) *float64 { return &r.row.Measurement.Conditions.StealRatio }),
		float("other_cpu_ratio", func(r *record) *float64 { return &r.row.Measurement.Conditions.OtherCPURatio }),
		integer("retries", func(r *record) *int64 { return &r.row.Measurement.Conditions.Retries }).presentIf(measured),
		float("memory_clock_hz", func(r *record) *float64 { return &r.row.Measurement.Conditions.MemoryClockHz }),
		float("power_watt", func(r *record) *float64 { return &r.row.Measurement.Conditions.PowerWatt }),
		float("temperature_celsius", func(r *record) *float64 { return &r.row.Measurement.Conditions.TemperatureC }),
		texts("throttle_reasons", func(r *record) *[]string { return &r.row.Measurement.Conditions.ThrottleReasons }),
		integer("ecc_errors", func(r *record) *int64 { return &r.row.Measurement.Conditions.ECCErrors }),

		text("import_tool", func(r *record) *string { return &r.row.Measurement.Origin.Tool }),
		text("import_tool_version", func(r *record) *string { return &r.row.Measurement.Origin.ToolVersion }),
		text("import_device_name", func(r *record) *string { return &r.row.Measurement.Origin.DeviceName }),
		text("import_file", func(r *record) *string { return &r.row.Measurement.Origin.File }),
		text("import_sha256", func(r *record) *string { return &r.row.Measurement.Origin.SHA256 }),
		integer("import_record", func(r *record) *int64 { return &r.row.Measurement.Origin.Record }),
	}
}

func derivedFields() []field {
	list := []field{
		float("flop", func(r *record) *float64 { return &r.flop }),
		float("bytes", func(r *record) *float64 { return &r.bytes }),
		float("wire_bytes", func(r *record) *float64 { return &r.wireBytes }),
		float("intensity_flop_per_byte", func(r *record) *float64 { return &r.intensity }),
		float("flop_per_s", func(r *record) *float64 { return &r.rates.FLOPPerS }),
		float("bandwidth_bytes_per_s", func(r *record) *float64 { return &r.rates.BandwidthBytesPerS }),
		float("algorithm_bandwidth_bytes_per_s", func(r *record) *float64 { return &r.rates.AlgorithmBytesPerS }),
		float("bus_bandwidth_bytes_per_s", func(r *record) *float64 { return &r.rates.BusBytesPerS }),
		float("tokens_per_s", func(r *record) *float64 { return &r.rates.TokensPerS }),
		float("imbalance", func(r *record) *float64 { return &r.imbalance }),
	}
	for i := range list {
		list[i].derived = true
	}
	return list
}

func tierFields(i int, tier string) []field {
	predicted := func(r *record) bool { return r.tiers[i].predicted }
	list := []field{
		float(tier+"_predicted_s", func(r *record) *float64 { return &r.tiers[i].seconds }).presentIf(predicted),
		float(tier+"_error", func(r *record) *float64 { return &r.tiers[i].err }).
			presentIf(func(r *record) bool { return r.tiers[i].predicted && r.row.Measurement.Usable() }).derivedOnly(),
		float(tier+"_low_s", func(r *record) *float64 { return &r.tiers[i].low }),
		float(tier+"_high_s", func(r *record) *float64 { return &r.tiers[i].high }),
		text(tier+"_machine", func(r *record) *string { return &r.tiers[i].machine }),
		text(tier+"_stack", func(r *record) *string { return &r.tiers[i].stack }),
		text(tier+"_binds", func(r *record) *string { return &r.tiers[i].binds }),
		text(tier+"_rule", func(r *record) *string { return &r.tiers[i].rule }),
		text(tier+"_not_predicted", func(r *record) *string { return &r.tiers[i].notPredicted }),
		texts(tier+"_term_names", func(r *record) *[]string { return &r.tiers[i].names }),
		floats(tier+"_term_seconds", func(r *record) *[]float64 { return &r.tiers[i].terms }),
	}
	// Of one column only: columns of a row group are read side by side.
	list[0].seen = func(r *record) { r.tiers[i].predicted = true }
	return list
}

// null reports whether the column is null in this record.
func (f *field) null(r *record) bool {
	zero := false
	switch {
	case f.integer != nil:
		zero = *f.integer(r) == 0
	case f.float != nil:
		// -0 differs from 0 and is kept.
		zero = math.Float64bits(*f.float(r)) == 0
	case f.text != nil:
		zero = *f.text(r) == ""
	case f.flag != nil:
		zero = !*f.flag(r)
	case f.floats != nil:
		zero = len(*f.floats(r)) == 0
	case f.texts != nil:
		zero = len(*f.texts(r)) == 0
	}
	return zero && (f.present == nil || !f.present(r))
}
