// Shards of a batch on all processors.
//
// The calling thread takes shards of its own call, and so do idle threads of a pool. Never do more
// threads run shards than `set_threads` allows, however many calls there are at a time: the
// networks of an ensemble share the pool.
#pragma once

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>

class Pool {
  public:
    explicit Pool(int threads) : threads_(threads) {}

    int threads() const { return threads_; }

    void set_threads(int count) {
        std::lock_guard<std::mutex> lock(mutex_);
        threads_ = std::max(count, 1);
    }

    // Call `task` with each number below `count`; return when all are done.
    void run(int count, const std::function<void(int)>& task) {
        std::unique_lock<std::mutex> lock(mutex_);
        Job job{task, count};
        start_workers(count - 1);
        jobs_.push_back(&job);
        ++running_;
        for (int i = 1; i < std::min(count, threads()); ++i) is_open_.notify_one();
        while (job.next < count) take(job, lock);
        --running_;  // its processor is free while it waits for the others
        if (!jobs_.empty()) is_open_.notify_one();
        job.is_done.wait(lock, [&] { return job.left == 0; });
    }

  private:
    struct Job {
        Job(const std::function<void(int)>& task, int count)
            : task(task), count(count), left(count) {}
        const std::function<void(int)>& task;
        const int count;
        int left, next = 0;  // tasks that are not done; the first that nobody has taken
        std::condition_variable is_done;
    };

    void start_workers(int most) {
        const int wanted = std::min(most, threads_ - 1);
        for (; workers_ < wanted; ++workers_) {
            try {
                std::thread([this] { work(); }).detach();
            } catch (const std::system_error&) {  // no more threads: those there are do the work
                return;
            }
        }
    }

    void work() {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            is_open_.wait(lock, [&] { return !jobs_.empty() && running_ < threads_; });
            ++running_;
            while (!jobs_.empty() && running_ <= threads_) take(*jobs_.front(), lock);
            --running_;
        }
    }

    // Run the next task of a job that has one, without the lock.
    void take(Job& job, std::unique_lock<std::mutex>& lock) {
        const int number = job.next++;
        if (job.next == job.count) jobs_.remove(&job);
        lock.unlock();
        job.task(number);
        lock.lock();
        if (--job.left == 0) job.is_done.notify_one();
    }

    std::mutex mutex_;
    std::condition_variable is_open_;
    std::list<Job*> jobs_;  // with tasks that nobody has taken
    std::atomic<int> threads_;        // read without the lock in a process that was forked
    int workers_ = 0, running_ = 0;
};

// The pool of this process. It is never destroyed, since its threads wait until the process ends.
// A process that was forked has none of these threads, and gets a pool of its own.
inline Pool*& pool() {
    static Pool* current = [] {
        pthread_atfork(nullptr, nullptr, [] { pool() = new Pool(pool()->threads()); });
        return new Pool(std::max(1u, std::thread::hardware_concurrency()));
    }();
    return current;
}

inline void set_threads(int count) { pool()->set_threads(count); }

// Call `task` with each number below `count`, in several threads.
inline void in_parallel(int count, const std::function<void(int)>& task) {
    pool()->run(count, task);
}
