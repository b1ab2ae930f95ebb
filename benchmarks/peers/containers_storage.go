// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The graphctl authors

package main

import (
	"github.com/containers/storage"
)

// The store of containers-storage as a library. A layer is committed by being a parent.
type containersStorage struct {
	store storage.Store
	ids   map[string]string
}

func openContainersStorage(root, runRoot, driver string) (life, error) {
	store, err := storage.GetStore(storage.StoreOptions{
		GraphRoot: root, RunRoot: runRoot, GraphDriverName: driver,
	})
	return &containersStorage{store, map[string]string{}}, err
}

func (c *containersStorage) create(name, parent string) error {
	layer, err := c.store.CreateLayer("", c.ids[parent], nil, "", true, nil)
	if err == nil {
		c.ids[name] = layer.ID
	}
	return err
}

func (c *containersStorage) mount(name string) (string, error) {
	return c.store.Mount(c.ids[name], "")
}

func (c *containersStorage) unmount(name string) error {
	_, err := c.store.Unmount(c.ids[name], false)
	return err
}

func (c *containersStorage) get(name string) error {
	_, err := c.store.Layer(c.ids[name])
	return err
}

func (c *containersStorage) commit(name, committed string) error {
	c.ids[committed] = c.ids[name]
	return nil
}

func (c *containersStorage) remove(name string) error {
	return c.store.DeleteLayer(c.ids[name])
}
