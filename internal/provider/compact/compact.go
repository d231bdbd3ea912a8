// Package compact makes the private state that Terraform keeps for this provider
// small. For each instance of a resource Terraform copies the states of all of them,
// so that what private state holds costs time with the square of their number: of a
// plan of thousands, that copying is a good part. The framework writes private state
// as JSON with every value in base64; here it is JSON as it is, compressed with a
// dictionary of what these values usually say, a third of the size.
package compact

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// format is the first byte of a private state that was packed here with the
// dictionary. The framework's begins with a brace.
const format = 0x01

// dictionary is what private states have in common, the most usual last. It must
// never change: what was packed with it cannot be unpacked without it. A better one is
// another format.
const dictionary = `{"adopted":["/"],"review":true,"destroy":"","destroy_calls":[""],"/additional_details/","/description":"","/im_version_id":"","/operating_system":"WINDOWS_11","/publisher":"","/source":"UPLOADED","/status":"AVAILABLE","/im_stream_id":"","/name":"",` +
	`"halted":{},"retried":[],"resolved":{},"resolved_tag":"","sent":[],"counted":true,"unsettled":true,"versioned":true,"unfinished":true,"Operation":"SCHEDULE_PUSH_IMAGE","PendingState":"PUBLISHING","/DC1/vm/","LogoffPolicy":"FORCE_LOGOFF","LogoffPolicy":"WAIT_FOR_LOGOFF",` +
	`{"pool":{"place":{"host":""},"instance":"","pool_id":"","pool":{"ID":"","Name":"","DisplayName":"","Type":"AUTOMATED","Source":"INSTANT_CLONE","ImageSource":"IMAGE_CATALOG","ImageSource":"VIRTUAL_CENTER","UserAssignment":"DEDICATED","UserAssignment":"FLOATING","VCenterID":"","DatacenterID":"datacenter-","AccessGroupID":"",` +
	`"Enabled":true,"EnableProvisioning":true,"StopProvisioningOnError":true,"DeleteInProgress":false,"NumMachines":null,"Current":{"ParentVMID":"vm-","ParentVMPath":"","SnapshotID":"snapshot-","SnapshotPath":"","StreamID":"","StreamName":"","TagID":"","TagName":""},"AddVirtualTPM":true,"Compute":{"NumCPUs":4,"NumCoresPerSocket":2,"RAMMB":8192},"GridVGPUsEnabled":false,"VGPUGridProfile":"",` +
	`"Pending":null,"PendingCompute":null,"PushSettings":null,"Operation":"NONE","CurrentState":"READY","PendingState":"READY","PendingState":"","PendingProgress":0,"PendingError":"","LastProvisioningError":"","LastProvisioningErrorTime":"0001-01-01T00:00:00Z","ServerTime":"2026-"},` +
	`"last_wanted":{"Image":{"ParentVMID":"vm-","ParentVMPath":"","SnapshotID":"snapshot-","SnapshotPath":"","StreamID":"","StreamName":"","TagID":"","TagName":""},"VersionID":"","AddVirtualTPM":null,"Compute":null,"GridVGPUsEnabled":null,"VGPUGridProfile":null},"claim":{"Target":{"Image":{"ParentVMID":"vm-","ParentVMPath":"","SnapshotID":"snapshot-","SnapshotPath":"","StreamID":"","StreamName":"","TagID":"","TagName":""},"VersionID":"",` +
	`"/__support_kvm":"true","/__platform":"","/__os_version":"","/__imagetype":"","/hw_video_model":"","/hw_video_ram":"","/hw_machine_type":"q35","/hw_scsi_model":"virtio-scsi","/hw_vif_multiqueue_enabled":true,"/hw_vif_model":"virtio","/hw_qemu_guest_agent":"yes","/hw_cdrom_bus":"sata","/img_config_drive":"","/hypervisor_type":"","/os_type":"linux","/os_admin_user":"","/os_secure_boot":"","/pipeline":"","/build":"","/build_date":"20","/tags/golden":"golden",` +
	`"/os_distro":"windows","/os_distro":"debian","/os_distro":"ubuntu",` +
	`{"document":{"/architecture":"x86_64","/build":"","/hw_disk_bus":"virtio","/hw_firmware_type":"uefi","/min_disk":0,"/min_ram":0,"/name":"","/os_distro":"","/os_hidden":false,"/os_version":"24.04","/protected":false,"/visibility":"private"},"instance":"","place":{"region":"RegionOne","project_id":"","project_name":""}}`

// most is how large a private state can be that is unpacked, which no honest one
// comes near.
const most = 64 << 20

var (
	writers = sync.Pool{New: func() any {
		w, err := flate.NewWriterDict(nil, flate.BestCompression, []byte(dictionary))
		if err != nil {
			panic(err) // The level is one.
		}
		return w
	}}
	readers = sync.Pool{New: func() any { return flate.NewReaderDict(nil, []byte(dictionary)) }}
)

// Pack packs a private state as the framework writes it. What is nothing, or is not
// as the framework writes it, is left as it is.
func Pack(private []byte) []byte {
	var values map[string][]byte
	if json.Unmarshal(private, &values) != nil || len(values) == 0 {
		return private
	}
	plain := make(map[string]json.RawMessage, len(values))
	for key, value := range values {
		plain[key] = value
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(plain) != nil {
		return private
	}
	var packed bytes.Buffer
	packed.WriteByte(format)
	w, _ := writers.Get().(*flate.Writer)
	defer writers.Put(w)
	w.Reset(&packed)
	if _, err := w.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n"))); err != nil {
		return private
	}
	if err := w.Close(); err != nil {
		return private
	}
	if back, err := Unpack(packed.Bytes()); err != nil || !bytes.Equal(back, private) {
		return private
	}
	return packed.Bytes()
}

// Unpack makes of what Pack has made what the framework wrote. What was never packed
// is returned as it is; what cannot be unpacked is an error.
func Unpack(private []byte) ([]byte, error) {
	if len(private) == 0 || private[0] == '{' {
		return private, nil
	}
	if private[0] != format {
		return nil, fmt.Errorf("the private state is in format %d, which this version of the provider does not know", private[0])
	}
	r, _ := readers.Get().(io.Reader)
	defer readers.Put(r)
	resetter, _ := r.(flate.Resetter)
	if err := resetter.Reset(bytes.NewReader(private[1:]), []byte(dictionary)); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return nil, err
	}
	var plain map[string]json.RawMessage
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, err
	}
	if plain == nil {
		return nil, errors.New("the private state is null")
	}
	values := make(map[string][]byte, len(plain))
	for key, value := range plain {
		values[key] = value
	}
	return json.Marshal(values)
}
