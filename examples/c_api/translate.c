/* Translates or enlarges an image file with a SavedModel, without Python.
 *
 *     make -C examples/c_api PYTHON=$PWD/.venv/bin/python
 *     examples/c_api/translate models/mine_a2b/1 photo.jpg translated.png
 *
 * It gives the file's bytes to the signature `encoded`, which decodes every usual
 * format, and writes the PNG file that comes back.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

#define SIGNATURE "encoded"
#define LONGEST_NAME 256

static _Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "translate: %s: %s\n", what, why);
  exit(1);
}

static void check(const TF_Status *status, const char *what) {
  if (TF_GetCode(status) != TF_OK) fail(what, TF_Message(status));
}

/* A part of a message in protobuf's wire format. */
typedef struct {
  const uint8_t *data;
  size_t length;
} Bytes;

static uint64_t read_varint(Bytes *message) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (message->length == 0) fail("signatures", "the message ends early");
    const uint8_t byte = *message->data;
    message->data++, message->length--;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  fail("signatures", "a number has no end");
}

static Bytes read_bytes(Bytes *message, uint64_t length) {
  if (length > message->length) fail("signatures", "the message ends early");
  const Bytes read = {message->data, (size_t)length};
  message->data += length, message->length -= length;
  return read;
}

/* The next field that has a length: its number and contents; 0: there is none. */
static int next_field(Bytes *message, Bytes *contents) {
  while (message->length > 0) {
    const uint64_t key = read_varint(message);
    switch (key & 7) {
      case 0:
        read_varint(message);
        break;
      case 1:
        read_bytes(message, 8);
        break;
      case 2:
        *contents = read_bytes(message, read_varint(message));
        return (int)(key >> 3);
      case 5:
        read_bytes(message, 4);
        break;
      default:
        fail("signatures", "a field of an unknown kind");
    }
  }
  return 0;
}

static int equals(Bytes text, const char *expected) {
  return text.length == strlen(expected) &&
         memcmp(text.data, expected, text.length) == 0;
}

/* The value of a map's entry, which is a message of key = 1 and value = 2. */
static Bytes entry(Bytes message, Bytes *key) {
  Bytes contents, value = {NULL, 0};
  int field;
  while ((field = next_field(&message, &contents)) != 0) {
    if (field == 1) *key = contents;
    if (field == 2) value = contents;
  }
  return value;
}

/* The graph's name of a signature's only input (field 1) or output (field 2). */
static void tensor_name(Bytes signature, int wanted, char *name, int *index) {
  Bytes contents, key, text = {NULL, 0};
  int field, count = 0;
  while ((field = next_field(&signature, &contents)) != 0) {
    if (field != wanted) continue;
    Bytes info = entry(contents, &key), part;
    count++;
    while ((field = next_field(&info, &part)) != 0)
      if (field == 1) text = part; /* TensorInfo.name: OPERATION:INDEX. */
  }
  if (count != 1 || text.length == 0 || text.length >= LONGEST_NAME)
    fail(SIGNATURE, "not one input and one output");
  memcpy(name, text.data, text.length);
  name[text.length] = '\0';
  char *colon = strrchr(name, ':');
  *index = colon == NULL ? 0 : atoi(colon + 1);
  if (colon != NULL) *colon = '\0';
}

/* MetaGraphDef.signature_def, field 5, is a map from name to SignatureDef. */
static Bytes find_signature(const TF_Buffer *meta_graph) {
  Bytes message = {meta_graph->data, meta_graph->length}, contents, key = {NULL, 0};
  int field;
  while ((field = next_field(&message, &contents)) != 0) {
    if (field != 5) continue;
    const Bytes signature = entry(contents, &key);
    if (equals(key, SIGNATURE)) return signature;
  }
  fail(SIGNATURE, "the model has no such signature");
}

static TF_Output find_tensor(TF_Graph *graph, Bytes signature, int wanted) {
  char name[LONGEST_NAME];
  int index;
  tensor_name(signature, wanted, name, &index);
  TF_Operation *operation = TF_GraphOperationByName(graph, name);
  if (operation == NULL) fail(name, "the graph has no such operation");
  return (TF_Output){operation, index};
}

static void delete_string(void *data, size_t length, void *argument) {
  (void)length, (void)argument;
  TF_TString_Dealloc(data);
  free(data);
}

/* The bytes of a file as a tensor, string [1]. */
static TF_Tensor *read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail(path, "cannot be opened");
  if (fseek(file, 0, SEEK_END) != 0) fail(path, "cannot be read");
  const long length = ftell(file);
  rewind(file);
  char *contents = malloc(length > 0 ? (size_t)length : 1);
  if (length < 0 || contents == NULL ||
      fread(contents, 1, (size_t)length, file) != (size_t)length)
    fail(path, "cannot be read");
  fclose(file);
  TF_TString *text = malloc(sizeof(TF_TString));
  if (text == NULL) fail(path, "no memory");
  TF_TString_Init(text);
  TF_TString_Copy(text, contents, (size_t)length);
  free(contents);
  const int64_t shape[] = {1};
  return TF_NewTensor(TF_STRING, shape, 1, text, sizeof(TF_TString), delete_string,
                      NULL);
}

static void write_file(const char *path, const TF_Tensor *answer) {
  if (TF_TensorType(answer) != TF_STRING || TF_TensorElementCount(answer) != 1)
    fail(SIGNATURE, "the answer is not one file");
  const TF_TString *text = TF_TensorData(answer);
  const size_t length = TF_TString_GetSize(text);
  FILE *file = fopen(path, "wb");
  if (file == NULL) fail(path, "cannot be opened");
  if (fwrite(TF_TString_GetDataPointer(text), 1, length, file) != length ||
      fclose(file) != 0)
    fail(path, "cannot be written");
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: translate SAVED_MODEL IMAGE OUTPUT.png\n");
    return 2;
  }
  /* What is logged at the start of the program comes nevertheless. */
  setenv("TF_CPP_MIN_LOG_LEVEL", "2", 0);
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  TF_Buffer *meta_graph = TF_NewBuffer();
  const char *tags[] = {"serve"};
  TF_Session *session = TF_LoadSessionFromSavedModel(
      options, NULL, arguments[1], tags, 1, graph, meta_graph, status);
  check(status, arguments[1]);

  const Bytes signature = find_signature(meta_graph);
  const TF_Output input = find_tensor(graph, signature, 1);
  const TF_Output output = find_tensor(graph, signature, 2);
  TF_Tensor *file = read_file(arguments[2]), *answer = NULL;
  TF_SessionRun(session, NULL, &input, &file, 1, &output, &answer, 1, NULL, 0, NULL,
                status);
  check(status, arguments[2]);
  write_file(arguments[3], answer);

  TF_DeleteTensor(answer);
  TF_DeleteTensor(file);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteBuffer(meta_graph);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
