package simulator

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// An assumption is a behaviour that no document shows and no measurement on the
// reference installation settles. ASSUMPTIONS.md says what speaks for each.
type assumptionRule struct {
	values []string // the first is the default
}

const (
	// assumeDatabase is the database behind Glance: the reference runs on
	// SQLite, most clouds on MySQL, which refuses more.
	assumeDatabase = "database"
	// assumeLocation is whether the Location of a created image keeps the path
	// under which the image service is reached.
	assumeLocation = "location-prefix"
)

// The assumptions about Huawei Cloud and Open Telekom Cloud.
const (
	// assumeGatewayCodes is the family of the gateway's error codes.
	assumeGatewayCodes = "gateway-codes"
	// assumeSignatureForm is which form of a signature the gateway takes.
	assumeSignatureForm = "signature-form"
	// assumeSignatureAge is how old a signature may be.
	assumeSignatureAge = "signature-age"
	// assumeNotFound is how a missing image is answered.
	assumeNotFound = "ims-not-found"
	// assumeNativeErrors is whose errors the Glance-derived API answers with.
	assumeNativeErrors = "ims-native-errors"
	// assumeNativeAttributes is what the Glance-derived API lets a patch modify.
	assumeNativeAttributes = "ims-native-attributes"
	// assumeUndocumented is whether attributes can be modified that no list of
	// modifiable ones names.
	assumeUndocumented = "ims-undocumented-attributes"
	// assumeAddPresent is what adding an attribute that is there does, where no
	// document says it.
	assumeAddPresent = "ims-add-present"
	// assumePatchTags is whether a patch can replace the tags.
	assumePatchTags = "ims-patch-tags"
	// assumeFalseSupport is whether "false" is a value of the attributes that
	// are "true" or absent.
	assumeFalseSupport = "ims-support-false"
	// assumeMaxRAM and assumeMinRAM are the JSON types in which the vendor's own
	// API takes max_ram and min_ram.
	assumeMaxRAM = "ims-max-ram"
	assumeMinRAM = "ims-min-ram"
	// assumeRemoveValue is whether a removal of the vendor's own API has a value.
	assumeRemoveValue = "ims-remove-value"
	// assumeDuplicateNames is whether two images may have one name.
	assumeDuplicateNames = "ims-duplicate-names"
	// assumeListedTags is how the vendor's own list shows tags.
	assumeListedTags = "ims-cloudimages-tags"
	// assumeEmptyTags is how a tag without a value is shown.
	assumeEmptyTags = "ims-valueless-tags"
	// assumeFilters is what becomes of a filter that no document names.
	assumeFilters = "ims-undocumented-filters"
)

// The assumptions about Horizon.
const (
	// assumeUnknownFields is what becomes of a field that a request does not have.
	assumeUnknownFields = "horizon-unknown-fields"
	// assumeHorizonLocation is the header of a creation that names what it made.
	assumeHorizonLocation = "horizon-location"
	// assumeOmitted is what becomes of optional fields that an update leaves out.
	assumeOmitted = "horizon-put-omitted"
	// assumeInUse is the status of a deletion of what is in use.
	assumeInUse = "horizon-delete-in-use"
	// assumeDelete is what a deletion leaves.
	assumeDelete = "horizon-delete"
	// assumeStatus is whether Horizon itself changes the status of an object.
	assumeStatus = "horizon-status"
	// assumeAssetTwins is whether a version can have two assets for one purpose.
	assumeAssetTwins = "horizon-asset-twins"
	// assumePassword is the JSON type of the password of a login.
	assumePassword = "horizon-password"
	// assumeRefreshRefused is the status for a refresh token that is not valid.
	assumeRefreshRefused = "horizon-refresh-refused"
	// assumeBetween is how the ends of a range are called in a filter.
	assumeBetween = "horizon-between"
	// assumeVisible is how long after a call a pool is still shown as it was.
	assumeVisible = "horizon-call-visible"
	// assumeImmediate is the operation of a pool while a push is under way that has
	// no start time.
	assumeImmediate = "horizon-immediate-operation"
	// assumePushAnswer is what the push of an image to a whole pool is answered with.
	assumePushAnswer = "horizon-push-answer"
	// assumePushMachines is what becomes of a selective push that names a machine
	// that is not there.
	assumePushMachines = "horizon-push-machines"
	// assumeSameImage is what pushing the image does that a pool has.
	assumeSameImage = "horizon-push-same"
	// assumeFailedImage is what becomes of an image that could not be published.
	assumeFailedImage = "horizon-failed-image"
	// assumeCatalogueImage is whether the VM and the snapshot are shown of an image
	// that comes from the catalogue.
	assumeCatalogueImage = "horizon-catalogue-image"
	// assumeCancelTriggered is whether a push can be cancelled whose time has come.
	assumeCancelTriggered = "horizon-cancel-triggered"
	// assumeCancelHeld is whether a held image can be cancelled.
	assumeCancelHeld = "horizon-cancel-held"
	// assumeCancelCanaries is what becomes of the machines that run a held image
	// when it is cancelled.
	assumeCancelCanaries = "horizon-cancel-canaries"
	// assumeApplySessions is what becomes of sessions when an image is applied to
	// their machine.
	assumeApplySessions = "horizon-apply-sessions"
	// assumeMachineIDs is whether a machine that is made anew keeps its id.
	assumeMachineIDs = "horizon-machine-ids"
	// assumeStandby is whether machines that a selective push leaves out show that
	// they wait for its image.
	assumeStandby = "horizon-standby"
)

var assumptions = map[string]assumptionRule{
	assumeDatabase: {values: []string{"sqlite", "mysql"}},
	assumeLocation: {values: []string{"dropped", "kept"}},

	assumeGatewayCodes:     {values: []string{"APIGW", "APIG"}},
	assumeSignatureForm:    {values: []string{"both", "access", "credential"}},
	assumeSignatureAge:     {values: []string{"15m", "unlimited"}},
	assumeNotFound:         {values: []string{"by-api", "404", "400"}},
	assumeNativeErrors:     {values: []string{"ims", "glance"}},
	assumeNativeAttributes: {values: []string{"listed", "custom"}},
	assumeUndocumented:     {values: []string{"refused", "accepted"}},
	assumeAddPresent:       {values: []string{"refused", "replaces"}},
	assumePatchTags:        {values: []string{"refused", "accepted"}},
	assumeFalseSupport:     {values: []string{"refused", "accepted"}},
	assumeMaxRAM:           {values: []string{"either", "string", "integer"}},
	assumeMinRAM:           {values: []string{"integer", "either"}},
	assumeRemoveValue:      {values: []string{"required", "optional"}},
	assumeDuplicateNames:   {values: []string{"accepted", "refused"}},
	assumeListedTags:       {values: []string{"key=value", "key.value"}},
	assumeEmptyTags:        {values: []string{"bare", "separated"}},
	assumeFilters:          {values: []string{"refused", "ignored"}},

	assumeUnknownFields:   {values: []string{"refused", "ignored"}},
	assumeHorizonLocation: {values: []string{"absolute", "path", "absent"}},
	assumeOmitted:         {values: []string{"cleared", "kept"}},
	assumeInUse:           {values: []string{"400", "409"}},
	assumeDelete:          {values: []string{"removed", "marked"}},
	assumeStatus:          {values: []string{"kept", "progresses"}},
	assumeAssetTwins:      {values: []string{"refused", "accepted"}},
	assumePassword:        {values: []string{"string", "array"}},
	assumeRefreshRefused:  {values: []string{"400", "401"}},
	assumeBetween:         {values: []string{"snake-case", "camel-case"}},
	assumeVisible:         {values: []string{"20s", "0s", "90s"}},
	assumeImmediate:       {values: []string{operationPush, operationNone}},
	assumePushAnswer:      {values: []string{"empty", "pool", "machines"}},
	assumePushMachines:    {values: []string{"reported", "refused"}},
	assumeSameImage:       {values: []string{"reclones", "no-op", "refused"}},
	assumeFailedImage:     {values: []string{"kept", "removed"}},
	assumeCatalogueImage:  {values: []string{"shown", "hidden"}},
	assumeCancelTriggered: {values: []string{"refused", "accepted"}},
	assumeCancelHeld:      {values: []string{"accepted", "refused"}},
	assumeCancelCanaries:  {values: []string{"left", "returned", "refused"}},
	assumeApplySessions:   {values: []string{"wait", "logged-off", "refused"}},
	assumeMachineIDs:      {values: []string{"new", "kept"}},
	assumeStandby:         {values: []string{"absent", "shown"}},
}

// CheckAssumption returns an error unless the simulator knows an assumption of
// this name that can take this value.
func CheckAssumption(name, value string) error {
	rule, ok := assumptions[name]
	if !ok {
		var names []string
		for n := range assumptions {
			names = append(names, n)
		}
		sort.Strings(names)
		return fmt.Errorf("unknown assumption %q, known are: %s", name, strings.Join(names, ", "))
	}
	if !slices.Contains(rule.values, value) {
		return fmt.Errorf("assumption %s cannot be %q, only one of: %s", name, value, strings.Join(rule.values, ", "))
	}
	return nil
}

func (s *Simulator) assumption(name string) string {
	if value, ok := s.options.Assumptions[name]; ok {
		return value
	}
	return assumptions[name].values[0]
}
