package datasets

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Values are the values of an axis of workloads.
type Values struct {
	columns []string
	values  reflect.Value
}

// Axis gives a column its values. Several columns with spaces between change
// together: each takes its element where a value is an array, and else all the
// same.
func Axis[T any](columns string, values ...T) Values {
	return Values{strings.Fields(columns), reflect.ValueOf(values)}
}

// Cross is every combination of the axes' values, in all else like base, the last
// axis changing fastest. A column that the workload lacks panics.
func Cross[W Workload](base W, axes ...Values) []W {
	out := []W{base}
	for _, a := range axes {
		list := make([]W, 0, len(out)*a.values.Len())
		for _, w := range out {
			for i := range a.values.Len() {
				for j, column := range a.columns {
					setColumn(reflect.ValueOf(&w).Elem(), column, a.values.Index(i), j)
				}
				list = append(list, w)
			}
		}
		out = list
	}
	return out
}

func setColumn(w reflect.Value, column string, value reflect.Value, element int) {
	for _, o := range operations {
		i := slices.IndexFunc(o.Fields, func(f Field) bool { return f.Column == column })
		if o.typ != w.Type() || i < 0 {
			continue
		}
		if value.Kind() == reflect.Array {
			value = value.Index(element)
		}
		to := w.FieldByIndex(o.Fields[i].index)
		to.Set(value.Convert(to.Type()))
		return
	}
	panic(fmt.Sprintf("%s has no column %s", w.Type(), column))
}
