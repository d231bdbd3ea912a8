package compact_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"pgregory.net/rapid"

	"github.com/imageops/terraform-provider-imageops/internal/provider/compact"
)

// usual is a private state as the framework writes it.
const usual = `{"document":"eyIvYXJjaGl0ZWN0dXJlIjoieDg2XzY0IiwiL25hbWUiOiJ1YnVudHUtMjQuMDQiLCIvb3NfZGlzdHJvIjoidWJ1bnR1IiwiL3Byb3RlY3RlZCI6ZmFsc2V9",` +
	`"instance":"IjJJT0RMNDU0NDRVVFVOSzcyNTVCR1A3S0Q0Ig==","place":"eyJyZWdpb24iOiJSZWdpb25PbmUiLCJwcm9qZWN0X2lkIjoiNTc0NjgyZWRhOTFiNTM0OWU5NjZmNTkyZTc3ZDUxZTkifQ=="}`

// packedOnce is what the first release packs that as. A change of the dictionary makes
// it, and every state that is out there, unreadable.
const packedOnce = "ASI2+KA6IKGuC3c3thjB9A2qq408/V18TExNTExCQ0L9vM2NTE2d3APMvV1MSPOPqbmJmYVRakqipWGSqbGJZaqlmVmaqaVRqrl5iqlhqqVSbS0gAAD//w=="

func TestItIsSmall(t *testing.T) {
	t.Parallel()
	packed := compact.Pack([]byte(usual))
	if len(packed)*3 > len(usual) {
		t.Errorf("%d bytes are packed as %d", len(usual), len(packed))
	}
	if plain, err := compact.Unpack(packed); err != nil || string(plain) != usual {
		t.Errorf("unpacked it is %s, %v", plain, err)
	}
	if again := compact.Pack(packed); !bytes.Equal(again, packed) {
		t.Errorf("packed twice it is %x", again)
	}
}

// TestAngleBracketsArePackedToo has a value that encoding/json would write otherwise.
func TestAngleBracketsArePackedToo(t *testing.T) {
	t.Parallel()
	const private = `{"a":"Ijw+Ig=="}`
	packed := compact.Pack([]byte(private))
	if plain, err := compact.Unpack(packed); packed[0] == '{' || err != nil || string(plain) != private {
		t.Errorf("packed as %q it is %s, %v", packed, plain, err)
	}
}

func TestWhatWasPackedOnceCanBeRead(t *testing.T) {
	t.Parallel()
	packed, err := base64.StdEncoding.DecodeString(packedOnce)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := compact.Unpack(packed); err != nil || string(plain) != usual {
		t.Errorf("unpacked it is %s, %v; packed anew %s", plain, err, base64.StdEncoding.EncodeToString(compact.Pack([]byte(usual))))
	}
}

func TestWhatIsNotOfTheFrameworkIsLeft(t *testing.T) {
	t.Parallel()
	for name, private := range map[string]string{
		"nothing": "", "no object": `["a"]`, "no JSON": `{"a"`, "an empty object": `{}`, "null": "null",
		"a value that is not in base64": `{"a":"*"}`, "a value that is no JSON": `{"a":"Kg=="}`,
		// Whatever is not written as the framework does comes back as it was, or not at all.
		"another order": `{"b":"MQ==","a":"MQ=="}`, "spaces": `{"a": "MQ=="}`, "spaces inside": `{"a":"eyJhIjogMX0="}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if packed := compact.Pack([]byte(private)); string(packed) != private {
				t.Errorf("it is packed as %x", packed)
			}
		})
	}
}

func TestWhatCannotBeUnpackedIsAnError(t *testing.T) {
	t.Parallel()
	packed := compact.Pack([]byte(usual))
	for name, private := range map[string][]byte{
		"cut off": packed[:len(packed)-5], "only a format": packed[:1], "another format": append([]byte{2}, packed[1:]...), "no text": append([]byte{1}, "nonsense"...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if plain, err := compact.Unpack(private); err == nil {
				t.Errorf("unpacked it is %s", plain)
			}
		})
	}
}

func TestPackingLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := map[string][]byte{}
		for key, value := range rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "values") {
			raw, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			values[key] = raw
		}
		private, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		packed := compact.Pack(private)
		if len(values) > 0 && packed[0] == '{' {
			t.Errorf("%s is not packed", private)
		}
		if plain, err := compact.Unpack(packed); err != nil || !bytes.Equal(plain, private) {
			t.Errorf("%s comes back as %s, %v", private, plain, err)
		}
	})
}

// inside is the server that compact.Server stands before.
type inside struct {
	tfprotov6.ProviderServer
	tfprotov6.ListResourceServer
	tfprotov6.ActionServer
	tfprotov6.StateStoreServer

	came   string
	answer string
	fails  error
}

func (i *inside) said(private []byte) []byte { i.came = string(private); return []byte(i.answer) }

func (i *inside) ReadResource(_ context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	if i.fails != nil {
		return nil, i.fails
	}
	return &tfprotov6.ReadResourceResponse{Private: i.said(req.Private)}, nil
}

func (i *inside) PlanResourceChange(_ context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	return &tfprotov6.PlanResourceChangeResponse{PlannedPrivate: i.said(req.PriorPrivate)}, nil
}

func (i *inside) ApplyResourceChange(_ context.Context, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	return &tfprotov6.ApplyResourceChangeResponse{Private: i.said(req.PlannedPrivate)}, nil
}

func (i *inside) ImportResourceState(context.Context, *tfprotov6.ImportResourceStateRequest) (*tfprotov6.ImportResourceStateResponse, error) {
	return &tfprotov6.ImportResourceStateResponse{ImportedResources: []*tfprotov6.ImportedResource{{Private: []byte(i.answer)}}}, nil
}

func (i *inside) MoveResourceState(_ context.Context, req *tfprotov6.MoveResourceStateRequest) (*tfprotov6.MoveResourceStateResponse, error) {
	return &tfprotov6.MoveResourceStateResponse{TargetPrivate: i.said(req.SourcePrivate)}, nil
}

func TestEveryCallWithPrivateState(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	packed := compact.Pack([]byte(usual))
	const other = `{"instance":"IkEi"}`
	for name, call := range map[string]func(s tfprotov6.ProviderServer, private []byte) ([]byte, error){
		"read": func(s tfprotov6.ProviderServer, private []byte) ([]byte, error) {
			req := &tfprotov6.ReadResourceRequest{Private: private}
			resp, err := s.ReadResource(ctx, req)
			return resp.Private, errors.Join(err, same(req.Private, private))
		},
		"plan": func(s tfprotov6.ProviderServer, private []byte) ([]byte, error) {
			req := &tfprotov6.PlanResourceChangeRequest{PriorPrivate: private}
			resp, err := s.PlanResourceChange(ctx, req)
			return resp.PlannedPrivate, errors.Join(err, same(req.PriorPrivate, private))
		},
		"apply": func(s tfprotov6.ProviderServer, private []byte) ([]byte, error) {
			req := &tfprotov6.ApplyResourceChangeRequest{PlannedPrivate: private}
			resp, err := s.ApplyResourceChange(ctx, req)
			return resp.Private, errors.Join(err, same(req.PlannedPrivate, private))
		},
		"move": func(s tfprotov6.ProviderServer, private []byte) ([]byte, error) {
			req := &tfprotov6.MoveResourceStateRequest{SourcePrivate: private}
			resp, err := s.MoveResourceState(ctx, req)
			return resp.TargetPrivate, errors.Join(err, same(req.SourcePrivate, private))
		},
	} {
		for what, c := range map[string]struct {
			private      []byte
			answer       string
			came, leaves string
		}{
			"unchanged":             {packed, usual, usual, string(packed)},
			"changed":               {packed, other, usual, string(compact.Pack([]byte(other)))},
			"none before":           {nil, usual, "", string(packed)},
			"none after":            {packed, "", usual, ""},
			"never packed":          {[]byte(usual), other, usual, string(compact.Pack([]byte(other)))},
			"never packed, as is":   {[]byte(usual), usual, usual, usual},
			"cannot be unpacked":    {packed[:9], other, "", string(compact.Pack([]byte(other)))},
			"cannot be, none after": {packed[:9], "", "", ""},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				i := &inside{answer: c.answer}
				leaves, err := call(compact.Server(i), c.private)
				if err != nil || i.came != c.came || string(leaves) != c.leaves {
					t.Errorf("%v: inside came %q, want %q; outside %x, want %x", err, i.came, c.came, leaves, c.leaves)
				}
			})
		}
	}
	resp, err := compact.Server(&inside{answer: usual}).ImportResourceState(ctx, &tfprotov6.ImportResourceStateRequest{})
	if err != nil || !bytes.Equal(resp.ImportedResources[0].Private, packed) {
		t.Errorf("an import answers %+v, %v", resp, err)
	}
	if resp, err := compact.Server(&inside{fails: errors.New("broken")}).ReadResource(ctx, &tfprotov6.ReadResourceRequest{}); resp != nil || err == nil {
		t.Errorf("a call that fails answers %+v, %v", resp, err)
	}
}

// same says that a request was left as it was.
func same(now, before []byte) error {
	if !bytes.Equal(now, before) {
		return errors.New("the request was changed")
	}
	return nil
}

// nothing is a provider without resources.
type nothing struct{ provider.Provider }

func TestItStandsBeforeTheFramework(t *testing.T) {
	t.Parallel()
	inner := providerserver.NewProtocol6(nothing{})()
	if s := compact.Server(inner); s == inner {
		t.Error("the framework's server is not wrapped")
	}
}
