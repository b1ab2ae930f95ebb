// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The graphctl authors

// Lets containers live in a process that has a peer's store open, step by step as LayerLife does with ours.
//
//	peers containerd|containers-storage ROOT RUN-ROOT overlay|btrfs ROUNDS [DEPTH]
//
// makes a store, in it a chain of DEPTH (1) committed layers, and on that ROUNDS layers, one after the other: each is
// created, mounted, written to, unmounted, asked for and removed. It prints a line for each step: the median, the least
// and the most of the microseconds. Built from Debian's packages alone (build.sh).
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"time"

	"github.com/containers/storage/pkg/reexec"
)

// A store in which containers live.
type life interface {
	// Makes a writable layer above a committed one; "" for none.
	create(name, parent string) error
	// Shows it as a directory, which it returns.
	mount(name string) (string, error)
	unmount(name string) error
	get(name string) error
	commit(name, committed string) error
	remove(name string) error
}

func main() {
	if reexec.Init() {
		return
	}
	if len(os.Args) < 6 {
		fail(fmt.Errorf("usage: peers containerd|containers-storage ROOT RUN-ROOT overlay|btrfs ROUNDS [DEPTH]"))
	}
	rounds, err := strconv.Atoi(os.Args[5])
	check(err)
	depth := 1
	if len(os.Args) > 6 {
		depth, err = strconv.Atoi(os.Args[6])
		check(err)
	}
	var store life
	if os.Args[1] == "containerd" {
		store, err = openContainerd(os.Args[2], os.Args[3], os.Args[4])
	} else {
		store, err = openContainersStorage(os.Args[2], os.Args[3], os.Args[4])
	}
	check(err)
	top := ""
	for number := 0; number < depth; number++ {
		name := fmt.Sprintf("layer-%d", number)
		check(store.create(name+"-active", top))
		place, err := store.mount(name + "-active")
		check(err)
		write(filepath.Join(place, fmt.Sprintf("file-%d", number)))
		check(store.unmount(name + "-active"))
		check(store.commit(name+"-active", name))
		top = name
	}
	run(store, top, rounds)
}

// Times the steps of so many lives.
func run(store life, top string, rounds int) {
	names := []string{"create", "mount", "unmount", "get", "remove"}
	times := map[string][]float64{}
	step := func(name string, isMeasured bool, body func() error) {
		start := time.Now()
		err := body()
		took := time.Since(start)
		check(err)
		if isMeasured {
			times[name] = append(times[name], float64(took.Nanoseconds())/1000)
		}
	}
	// The first ones make what later ones find.
	for round := -3; round < rounds; round++ {
		isMeasured, name, place := round >= 0, fmt.Sprintf("container-%d", round+3), ""
		step("create", isMeasured, func() error { return store.create(name, top) })
		step("mount", isMeasured, func() (err error) { place, err = store.mount(name); return })
		write(filepath.Join(place, "written"))
		step("unmount", isMeasured, func() error { return store.unmount(name) })
		step("get", isMeasured, func() error { return store.get(name) })
		step("remove", isMeasured, func() error { return store.remove(name) })
	}
	for _, name := range names {
		sorted := times[name]
		sort.Float64s(sorted)
		fmt.Printf("%s %.1f %.1f %.1f\n", name, sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1])
	}
}

func write(path string) { check(os.WriteFile(path, []byte("written\n"), 0o600)) }

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "peers:", err)
	os.Exit(1)
}
