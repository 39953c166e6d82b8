package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type kernel struct {
	name                               string
	registers, spills, shared, threads int
	loop                               string
}

// perSM is the threads of an SM that registers and static shared memory leave
// room for (CUDA C++ Programming Guide, "Technical Specifications per Compute
// Capability": 65,536 registers, 64 warps and 32 blocks an SM, registers given by
// 256 a warp; 164 and 228 KiB of shared memory, of which each block costs 1 KiB).
func (k kernel) perSM(arch string) int {
	shared := 164 << 10
	if arch == "sm_90a" {
		shared = 228 << 10
	}
	warps := (k.threads + 31) / 32
	ofRegisters := 65536 / ((k.registers*32 + 255) / 256 * 256) / warps
	return min(ofRegisters, shared/(k.shared+1024), 64/warps, 32) * warps * 32
}

var (
	entry     = regexp.MustCompile(`Compiling entry function '(\w+)'`)
	spill     = regexp.MustCompile(`(\d+) bytes spill stores, (\d+) bytes spill loads`)
	registers = regexp.MustCompile(`Used (\d+) registers`)
	shared    = regexp.MustCompile(`(\d+) bytes smem`)
	maxThread = regexp.MustCompile(`(?s)\.entry (\w+)\([^{]*?\.maxntid (\d+)`)
	function  = regexp.MustCompile(`Function : (\w+)`)
	// An instruction: its address, a predicate, its name, and a branch's target.
	instruction = regexp.MustCompile(`/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\d?T?\s+)?([A-Z][A-Z0-9_.]*)(.*?);`)
	target      = regexp.MustCompile(`0x([0-9a-f]+)`)
)

func assemble(ptxas, cuobjdump, file, arch, work string) ([]kernel, error) {
	cubin := filepath.Join(work, filepath.Base(file)+".cubin")
	said, err := exec.Command(ptxas, "-arch="+arch, "-v", file, "-o", cubin).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("ptxas %s: %w\n%s", file, err, said)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	threads := map[string]int{}
	for _, m := range maxThread.FindAllStringSubmatch(string(text), -1) {
		threads[m[1]], _ = strconv.Atoi(m[2])
	}
	sass, err := exec.Command(cuobjdump, "-sass", cubin).Output()
	if err != nil {
		return nil, fmt.Errorf("cuobjdump %s: %w", file, err)
	}
	loops := hotLoops(string(sass))
	var out []kernel
	for _, part := range strings.Split(string(said), "ptxas info    : Compiling")[1:] {
		m := entry.FindStringSubmatch("Compiling" + part)
		if m == nil {
			continue
		}
		// A kernel without launch bounds is launched with 256 threads.
		k := kernel{name: m[1], threads: 256, loop: loops[m[1]]}
		if t := threads[k.name]; t > 0 {
			k.threads = t
		}
		for _, s := range spill.FindAllStringSubmatch(part, -1) {
			stores, _ := strconv.Atoi(s[1])
			loads, _ := strconv.Atoi(s[2])
			k.spills += stores + loads
		}
		k.registers = number(registers, part)
		k.shared = number(shared, part)
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b kernel) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

func number(r *regexp.Regexp, s string) int {
	n := 0
	if m := r.FindStringSubmatch(s); m != nil {
		n, _ = strconv.Atoi(m[1])
	}
	return n
}

// hotLoops says of each function what its hot loop consists of: of the loops
// (a branch back), the one with the most tensor-core instructions, or 128-bit
// accesses where there are none, or instructions; of equals the shortest.
func hotLoops(sass string) map[string]string {
	out := map[string]string{}
	parts := function.FindAllStringSubmatchIndex(sass, -1)
	for i, p := range parts {
		last := len(sass)
		if i+1 < len(parts) {
			last = parts[i+1][0]
		}
		out[sass[p[2]:p[3]]] = hotLoop(sass[p[1]:last])
	}
	return out
}

func hotLoop(body string) string {
	type op struct {
		at   int64
		name string
	}
	var ops []op
	var best []op
	most := -1
	for _, m := range instruction.FindAllStringSubmatch(body, -1) {
		at, err := strconv.ParseInt(m[1], 16, 64)
		if err != nil {
			continue
		}
		ops = append(ops, op{at, m[2]})
		if !strings.HasPrefix(m[2], "BRA") {
			continue
		}
		to := target.FindStringSubmatch(m[3])
		if to == nil {
			continue
		}
		back, err := strconv.ParseInt(to[1], 16, 64)
		if err != nil || back >= at {
			continue
		}
		from := slices.IndexFunc(ops, func(o op) bool { return o.at >= back })
		score := 0
		for _, o := range ops[from:] {
			switch kind := strings.Split(o.name, ".")[0]; {
			case slices.Contains([]string{"HMMA", "IMMA", "DMMA", "HGMMA", "IGMMA", "QGMMA"}, kind):
				score += 1000
			case strings.Contains(o.name, ".128"):
				score += 10
			case slices.Contains([]string{"FFMA", "DFMA", "LDG"}, kind):
				score++
			}
		}
		if score > most || score == most && len(ops)-from < len(best) {
			most, best = score, slices.Clone(ops[from:])
		}
	}
	if best == nil {
		return "none"
	}
	count := map[string]int{}
	for _, o := range best {
		count[short(o.name)]++
	}
	names := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return strings.Compare(a, b)
	})
	var text []string
	for _, n := range names[:min(6, len(names))] {
		text = append(text, fmt.Sprintf("%d %s", count[n], n))
	}
	return strings.Join(text, ", ")
}

// short is an instruction without its rarer qualifiers.
func short(name string) string {
	parts := strings.Split(name, ".")
	switch parts[0] {
	case "LDG", "STG", "LDS", "STS":
		if strings.Contains(name, ".128") {
			return parts[0] + ".128"
		}
	case "HMMA", "IMMA", "DMMA", "HGMMA", "IGMMA", "QGMMA":
		return strings.Join(parts[:min(2, len(parts))], ".")
	}
	return parts[0]
}
