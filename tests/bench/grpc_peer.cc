// The peer of the gRPC bench: grpc-core's C++ completion-queue API, one thread, as its documentation has it.
// grpc_peer [CERT KEY]: listens on a free port of 127.0.0.1, says "port N".
#include "bench.grpc.pb.h"
#include <cstdio>
#include <fstream>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <sstream>

using grpc::ServerAsyncReaderWriter;
using grpc::ServerCompletionQueue;
using grpc::ServerContext;

namespace
{

class Call
{
  public:
    Call(bench::Bench::AsyncService *service, ServerCompletionQueue *queue)
        : service_(service), queue_(queue), stream_(&context_)
    {
        service_->RequestChat(&context_, &stream_, queue_, queue_, this);
    }

    // One event of this call; every step asks for the next.
    void Proceed(bool ok)
    {
        switch (state_) {
        case State::kConnect:
            if (!ok) {
                delete this;
                return;
            }
            new Call(service_, queue_); // for the next client
            Read();
            break;
        case State::kRead:
            if (!ok) {
                state_ = State::kFinish;
                stream_.Finish(grpc::Status::OK, this);
                return;
            }
            message_.set_seq(message_.seq() + 1);
            state_ = State::kWrite;
            stream_.Write(message_, this);
            break;
        case State::kWrite:
            if (!ok) {
                delete this;
                return;
            }
            Read();
            break;
        case State::kFinish:
            delete this;
            break;
        }
    }

  private:
    enum class State { kConnect, kRead, kWrite, kFinish };

    void Read()
    {
        state_ = State::kRead;
        stream_.Read(&message_, this);
    }

    bench::Bench::AsyncService *service_;
    ServerCompletionQueue *queue_;
    ServerContext context_;
    ServerAsyncReaderWriter<bench::SatMsg, bench::SatMsg> stream_;
    bench::SatMsg message_;
    State state_ = State::kConnect;
};

std::string ReadFile(const char *path)
{
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::shared_ptr<grpc::ServerCredentials> Credentials(int argc, char **argv)
{
    if (argc < 3)
        return grpc::InsecureServerCredentials();
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({ReadFile(argv[2]), ReadFile(argv[1])});
    return grpc::SslServerCredentials(options);
}

} // namespace

int main(int argc, char **argv)
{
    bench::Bench::AsyncService service;
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", Credentials(argc, argv), &port);
    builder.RegisterService(&service);
    std::unique_ptr<ServerCompletionQueue> queue = builder.AddCompletionQueue();
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server)
        return 1;
    std::printf("port %d\n", port);
    std::fflush(stdout);
    new Call(&service, queue.get());
    void *tag;
    bool ok;
    while (queue->Next(&tag, &ok))
        static_cast<Call *>(tag)->Proceed(ok);
    return 0;
}
