package claims

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A formula is an expression in Go's syntax, written with × and −, over inputs
// (inputs.go), definitions (definitions.go) and functions (functions.go). What a
// row prints is the text that was evaluated, so the two cannot differ.
//
// A device's figure is written as h100.fp8; devices lists the names.
var devices = map[string]string{"a100_40": "a100-sxm-40", "a100_80": "a100-sxm-80", "h100": "h100-sxm"}

var operators = strings.NewReplacer("×", "*", "−", "-")

// parsed keeps each formula's tree.
var parsed sync.Map

func parse(text string) (ast.Expr, error) {
	if e, ok := parsed.Load(text); ok {
		return e.(ast.Expr), nil
	}
	e, err := parser.ParseExpr(operators.Replace(text))
	if err != nil {
		return nil, fmt.Errorf("formula %q: %w", text, err)
	}
	parsed.Store(text, e)
	return e, nil
}

// eval is a formula's value at v's inputs. A mistake in it is kept in v.err.
func (v *values) eval(text string) float64 {
	x, ok := v.result(text).(float64)
	if !ok {
		v.fail("formula %q has no number", text)
		return math.NaN()
	}
	return x
}

// result is a formula's value: a float64, or a string of a function that tells.
func (v *values) result(text string) any {
	e, err := parse(text)
	if err != nil {
		v.err = cmp.Or(v.err, err)
		return math.NaN()
	}
	return v.node(e, nil)
}

func (v *values) fail(format string, args ...any) {
	v.err = cmp.Or(v.err, fmt.Errorf(format, args...))
}

// node evaluates a tree; scope holds a definition's arguments.
func (v *values) node(e ast.Expr, scope map[string]any) any {
	number := func(e ast.Expr) float64 {
		x, ok := v.node(e, scope).(float64)
		if !ok {
			v.fail("a text stands where a number is needed")
		}
		return x
	}
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, _ := strconv.Unquote(e.Value)
			return s
		}
		x, _ := strconv.ParseFloat(e.Value, 64)
		return x
	case *ast.Ident:
		if x, ok := scope[e.Name]; ok {
			return x
		}
		if d, ok := definitions[e.Name]; ok {
			return v.eval(d.formula)
		}
		return v.in(e.Name)
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok && devices[x.Name] != "" {
			return v.dev(devices[x.Name], e.Sel.Name)
		}
	case *ast.ParenExpr:
		return v.node(e.X, scope)
	case *ast.UnaryExpr:
		return -number(e.X)
	case *ast.BinaryExpr:
		x, y := number(e.X), number(e.Y)
		switch e.Op {
		case token.ADD:
			return x + y
		case token.SUB:
			return x - y
		case token.MUL:
			return x * y
		case token.QUO:
			return x / y
		}
	case *ast.CallExpr:
		name := e.Fun.(*ast.Ident).Name
		args := make([]any, len(e.Args))
		for i, a := range e.Args {
			args[i] = v.node(a, scope)
		}
		if d, ok := definitions[name]; ok && len(args) == len(d.parameters) {
			inner := map[string]any{}
			for i, p := range d.parameters {
				inner[p] = args[i]
			}
			body, err := parse(d.formula)
			if err == nil {
				return v.node(body, inner)
			}
			v.err = cmp.Or(v.err, err)
			return math.NaN()
		}
		if f, ok := functions[name]; ok {
			return f(v, arguments{args})
		}
		v.fail("unknown function %q", name)
		return math.NaN()
	}
	v.fail("a formula has %T, which is not read", e)
	return math.NaN()
}

// arguments of a function: numbers and texts by place.
type arguments struct{ list []any }

func (a arguments) number(i int) float64 {
	if i < len(a.list) {
		if x, ok := a.list[i].(float64); ok {
			return x
		}
	}
	return math.NaN()
}

func (a arguments) text(i int) string {
	if i < len(a.list) {
		if s, ok := a.list[i].(string); ok {
			return s
		}
	}
	return ""
}

// name finds the names in a formula, those of calls with their bracket.
var name = regexp.MustCompile(`"[^"]*"|[A-Za-z_][A-Za-z0-9_]*(\.[a-z0-9_]+)?\(?`)

// full writes a formula with the definitions that it rests on behind it.
func full(formula string, write func(string) string) string {
	out, used := write(formula), []string{}
	var add func(text string)
	add = func(text string) {
		for _, n := range name.FindAllString(text, -1) {
			n = strings.TrimSuffix(n, "(")
			d, ok := definitions[n]
			if !ok || slices.Contains(used, n) {
				continue
			}
			used = append(used, n)
			if len(d.parameters) > 0 {
				n += "(" + strings.Join(d.parameters, ", ") + ")"
			}
			out += "; " + n + " = " + write(d.formula)
			add(d.formula)
		}
	}
	add(formula)
	return out
}

// worked puts numbers in the place of the inputs' names.
func (v *values) worked(formula string) string {
	return full(formula, func(text string) string {
		return name.ReplaceAllStringFunc(text, func(n string) string {
			id, figure, dotted := strings.Cut(n, ".")
			if dotted && devices[id] != "" {
				n = devices[id] + "." + figure
			}
			i, ok := v.known[n]
			if !ok {
				return n
			}
			if s := FormatSpan(i.Span, i.Unit); !i.ranged() {
				return s
			} else {
				return "[" + s + "]"
			}
		})
	})
}

// braces finds {formula|unit} in a text.
var braces = regexp.MustCompile(`\{([^{}|]+)(?:\|([^{}]*))?\}`)

// fill writes a text with its formulas worked out: {formula|unit} as a number or
// range, {function("…")} as the text that it returns, {=} as the row's figure.
func (v *values) fill(text string, computed Span, unit string) string {
	return braces.ReplaceAllStringFunc(text, func(m string) string {
		part := braces.FindStringSubmatch(m)
		if part[1] == "=" {
			return FormatSpan(computed, unit)
		}
		inner := &values{known: v.known}
		out := ""
		if part[2] == "" {
			out, _ = inner.result(part[1]).(string)
		} else {
			out = FormatSpan(inner.span(func(v *values) float64 { return v.eval(part[1]) }), part[2])
		}
		v.err = cmp.Or(v.err, inner.err)
		return out
	})
}
