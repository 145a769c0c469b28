package sdk_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// TestContractIsKept holds the contract that this program speaks against the
// frozen one, which plugins in other languages are made of: every message,
// field and method of it is still there and means the same on the wire. It is
// `buf breaking` without buf; additions pass.
func TestContractIsKept(t *testing.T) {
	t.Parallel()
	image, err := os.ReadFile(filepath.Join("..", "proto", "contract.binpb"))
	if err != nil {
		t.Fatal(err)
	}
	var frozen descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(image, &frozen); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range frozen.GetFile() {
		if !strings.HasPrefix(file.GetPackage(), "muster.plugin.") {
			continue
		}
		scope := file.GetPackage() + "."
		for _, m := range file.GetMessageType() {
			seen += checkMessage(t, scope, m)
		}
		for _, e := range file.GetEnumType() {
			checkEnum(t, scope, e)
		}
		for _, s := range file.GetService() {
			checkService(t, scope, s)
		}
	}
	if seen < 30 {
		t.Errorf("only %d messages are frozen: the test does not see the contract", seen)
	}
}

// find returns what the program has under a name, or fails the test.
func find[D protoreflect.Descriptor](t *testing.T, name string) (found D, ok bool) {
	t.Helper()
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		t.Errorf("%s is gone", name)
		return found, false
	}
	found, ok = d.(D)
	if !ok {
		t.Errorf("%s is something else now", name)
	}
	return found, ok
}

func checkMessage(t *testing.T, scope string, frozen *descriptorpb.DescriptorProto) (messages int) {
	t.Helper()
	name := scope + frozen.GetName()
	now, ok := find[protoreflect.MessageDescriptor](t, name)
	if !ok {
		return 0
	}
	for _, f := range frozen.GetField() {
		field := now.Fields().ByNumber(protoreflect.FieldNumber(f.GetNumber()))
		switch {
		case field == nil || string(field.Name()) != f.GetName():
			t.Errorf("%s.%s is gone", name, f.GetName())
		case int32(field.Kind()) != int32(f.GetType()) || int32(field.Cardinality()) != int32(f.GetLabel()) ||
			typeName(field) != strings.TrimPrefix(f.GetTypeName(), ".") || (field.ContainingOneof() != nil) != (f.OneofIndex != nil):
			t.Errorf("%s.%s is of another type", name, f.GetName())
		}
	}
	messages = 1
	for _, nested := range frozen.GetNestedType() {
		messages += checkMessage(t, name+".", nested)
	}
	return messages
}

func typeName(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Message() != nil:
		return string(f.Message().FullName())
	case f.Enum() != nil:
		return string(f.Enum().FullName())
	default:
		return ""
	}
}

func checkEnum(t *testing.T, scope string, frozen *descriptorpb.EnumDescriptorProto) {
	t.Helper()
	now, ok := find[protoreflect.EnumDescriptor](t, scope+frozen.GetName())
	if !ok {
		return
	}
	for _, v := range frozen.GetValue() {
		value := now.Values().ByNumber(protoreflect.EnumNumber(v.GetNumber()))
		if value == nil || string(value.Name()) != v.GetName() {
			t.Errorf("%s%s is gone", scope, v.GetName())
		}
	}
}

func checkService(t *testing.T, scope string, frozen *descriptorpb.ServiceDescriptorProto) {
	t.Helper()
	now, ok := find[protoreflect.ServiceDescriptor](t, scope+frozen.GetName())
	if !ok {
		return
	}
	for _, m := range frozen.GetMethod() {
		method := now.Methods().ByName(protoreflect.Name(m.GetName()))
		switch {
		case method == nil:
			t.Errorf("%s%s.%s is gone", scope, frozen.GetName(), m.GetName())
		case "."+string(method.Input().FullName()) != m.GetInputType(), "."+string(method.Output().FullName()) != m.GetOutputType(),
			method.IsStreamingClient() != m.GetClientStreaming(), method.IsStreamingServer() != m.GetServerStreaming():
			t.Errorf("%s%s.%s has another shape", scope, frozen.GetName(), m.GetName())
		}
	}
}
