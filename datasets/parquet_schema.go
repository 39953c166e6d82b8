package datasets

import (
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// The file's key-value metadata.
const (
	metaVersion = "bench.schema_version"
	metaMeta    = "bench.meta"
	metaDevices = "bench.devices"
)

// physical is the Parquet type of the column's values.
func (f *field) physical() format.Type {
	switch {
	case f.integer != nil:
		return format.Int64
	case f.float != nil, f.floats != nil:
		return format.Double
	case f.flag != nil:
		return format.Boolean
	}
	return format.ByteArray
}

func (f *field) list() bool { return f.floats != nil || f.texts != nil }

// maxLevel is the definition level of a value that is there: below it, a
// scalar or list is null (0), or a list is empty (1).
func (f *field) maxLevel() int {
	if f.list() {
		return 2
	}
	return 1
}

// path is the column's place in the schema.
func (f *field) path() []string {
	if f.list() {
		return []string{f.name, "list", "element"}
	}
	return []string{f.name}
}

// elements are the column's part of the schema: an optional value, or an
// optional list of required elements in the three-level form of the Parquet
// specification (LogicalTypes.md, "Lists").
func (f *field) elements() []format.SchemaElement {
	leaf := format.SchemaElement{Name: f.name, Type: thrift.New(f.physical()), RepetitionType: thrift.New(format.Optional)}
	if f.physical() == format.ByteArray {
		leaf.ConvertedType = thrift.New(deprecated.UTF8)
		leaf.LogicalType = format.LogicalType{Value: new(format.StringType)}
	}
	if !f.list() {
		return []format.SchemaElement{leaf}
	}
	leaf.Name, leaf.RepetitionType = "element", thrift.New(format.Required)
	return []format.SchemaElement{
		{Name: f.name, RepetitionType: thrift.New(format.Optional), NumChildren: thrift.New(int32(1)),
			ConvertedType: thrift.New(deprecated.List), LogicalType: format.LogicalType{Value: new(format.ListType)}},
		{Name: "list", RepetitionType: thrift.New(format.Repeated), NumChildren: thrift.New(int32(1))},
		leaf,
	}
}

// schemaElements is the file's schema: fields, in order, all optional.
func schemaElements() []format.SchemaElement {
	all := []format.SchemaElement{{Name: "bench", NumChildren: thrift.New(int32(len(fields)))}}
	for i := range fields {
		all = append(all, fields[i].elements()...)
	}
	return all
}

// columnOrders says that least and greatest values in statistics follow the
// order of each column's type.
func columnOrders() []format.ColumnOrder {
	all := make([]format.ColumnOrder, len(fields))
	for i := range all {
		all[i].Value = new(format.TypeDefinedOrder)
	}
	return all
}
