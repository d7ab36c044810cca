/* A client written in C: what it finds wrong is printed, and counted. */
#ifndef TQ_C_CLIENT_H
#define TQ_C_CLIENT_H

#ifdef __cplusplus
extern "C" {
#endif

int c_client_engine(const char* model_path, const char* session_path);
int c_client_codec(void);

#ifdef __cplusplus
}
#endif

#endif
