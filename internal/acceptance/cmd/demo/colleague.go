package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// poolName is the desktop pool of the example.
const poolName = "ENGINEERING"

// desktopPool is what the colleague has to know of the pool.
type desktopPool struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	VCenterID string `json:"vcenter_id"`
	Settings  struct {
		ParentVMID string `json:"parent_vm_id"`
		SnapshotID string `json:"base_snapshot_id"`
	} `json:"provisioning_settings"`
}

// ask signs the colleague in to Horizon, and sends one request. Tokens of Horizon do not
// live long where the clock runs fast.
func (d *demo) ask(ctx context.Context, method, route string, body any) (http.Header, []byte, error) {
	base := d.cloud.Horizon + "/rest"
	credentials, err := json.Marshal(map[string]string{"domain": d.cloud.Domain, "username": d.cloud.Username, "password": d.cloud.Password})
	if err != nil {
		return nil, nil, err
	}
	_, answer, err := send(ctx, http.MethodPost, base+"/login", string(credentials), map[string]string{"Content-Type": "application/json"})
	if err != nil {
		return nil, nil, err
	}
	var tokens struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(answer, &tokens); err != nil {
		return nil, nil, err
	}
	raw := []byte{}
	if body != nil {
		if raw, err = json.Marshal(body); err != nil {
			return nil, nil, err
		}
	}
	return send(ctx, method, base+route, string(raw), map[string]string{"Content-Type": "application/json", "Authorization": "Bearer " + tokens.Access})
}

// pool finds the pool of the example.
func (d *demo) pool(ctx context.Context) (*desktopPool, error) {
	_, answer, err := d.ask(ctx, http.MethodGet, "/inventory/v2/desktop-pools", nil)
	if err != nil {
		return nil, err
	}
	var pools []*desktopPool
	if err := json.Unmarshal(answer, &pools); err != nil {
		return nil, err
	}
	for _, p := range pools {
		if p.Name == poolName {
			return p, nil
		}
	}
	return nil, fmt.Errorf("there is no desktop pool %s", poolName)
}

// schedule lets the colleague schedule the newest snapshot for a time that the
// demonstration does not come to.
func (d *demo) schedule(ctx context.Context, p *desktopPool) error {
	query := url.Values{"vcenter_id": {p.VCenterID}, "base_vm_id": {p.Settings.ParentVMID}}
	header, answer, err := d.ask(ctx, http.MethodGet, "/external/v1/base-snapshots?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	var snapshots []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	if err := json.Unmarshal(answer, &snapshots); err != nil {
		return err
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return err
	}
	for _, s := range snapshots {
		if s.Name != "v3" {
			continue
		}
		_, _, err := d.ask(ctx, http.MethodPost, "/inventory/v1/desktop-pools/"+p.ID+"/action/schedule-push-image", map[string]any{
			"parent_vm_id": p.Settings.ParentVMID, "snapshot_id": s.ID, "logoff_policy": "WAIT_FOR_LOGOFF", "add_virtual_tpm": true,
			"start_time": now.Add(30 * 24 * time.Hour).UnixMilli(),
		})
		return err
	}
	return fmt.Errorf("the VM %s has no snapshot v3", p.Settings.ParentVMID)
}

// cancel lets the colleague take it back.
func (d *demo) cancel(ctx context.Context, p *desktopPool) error {
	_, _, err := d.ask(ctx, http.MethodPost, "/inventory/v1/desktop-pools/"+p.ID+"/action/cancel-scheduled-push-image", nil)
	return err
}
