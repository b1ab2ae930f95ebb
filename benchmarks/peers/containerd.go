// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The graphctl authors

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/mount"
	"github.com/containerd/containerd/snapshots"
	"github.com/containerd/containerd/snapshots/btrfs"
	"github.com/containerd/containerd/snapshots/overlay"
)

// A snapshotter of containerd's, opened directly; its metadata store and its garbage collector are not there.
type containerd struct {
	snapshotter snapshots.Snapshotter
	places      string
}

func openContainerd(root, runRoot, driver string) (life, error) {
	open := map[string]func() (snapshots.Snapshotter, error){
		"overlay": func() (snapshots.Snapshotter, error) { return overlay.NewSnapshotter(root) },
		"btrfs":   func() (snapshots.Snapshotter, error) { return btrfs.NewSnapshotter(root) },
	}[driver]
	if open == nil {
		return nil, fmt.Errorf("no driver %s of containerd's is measured", driver)
	}
	for _, directory := range []string{root, runRoot} {
		if err := os.MkdirAll(directory, 0o700); err != nil {
			return nil, err
		}
	}
	snapshotter, err := open()
	return &containerd{snapshotter, runRoot}, err
}

func (c *containerd) create(name, parent string) error {
	_, err := c.snapshotter.Prepare(context.Background(), name, parent)
	return err
}

// As a runtime does it: a directory for the container, and the snapshotter's mounts there.
func (c *containerd) mount(name string) (string, error) {
	mounts, err := c.snapshotter.Mounts(context.Background(), name)
	if err != nil {
		return "", err
	}
	place := filepath.Join(c.places, name)
	if err := os.Mkdir(place, 0o700); err != nil {
		return "", err
	}
	return place, mount.All(mounts, place)
}

func (c *containerd) unmount(name string) error {
	place := filepath.Join(c.places, name)
	if err := mount.UnmountAll(place, 0); err != nil {
		return err
	}
	return os.Remove(place)
}

func (c *containerd) get(name string) error {
	_, err := c.snapshotter.Stat(context.Background(), name)
	return err
}

func (c *containerd) commit(name, committed string) error {
	return c.snapshotter.Commit(context.Background(), committed, name)
}

func (c *containerd) remove(name string) error {
	return c.snapshotter.Remove(context.Background(), name)
}
