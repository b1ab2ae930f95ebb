// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.
//
// io-uring.c WAY FOLDER [BYTES]: makes 8,743 files of BYTES (16,384) in FOLDER and prints the seconds it took. WAY is
// `calls` (open, pwrite, futimens, close) or `uring` (open, write and close as linked requests with direct
// descriptors, 64 files at a time; there is no request for times) or `sqpoll` (the same, submitted by the kernel's
// thread). Build: gcc -O2 io-uring.c -luring (Debian: liburing-dev).
#define _GNU_SOURCE
#include <liburing.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
static double now(void){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec+t.tv_nsec/1e9;}
int main(int argc,char**argv){
  int files=8743,size=argc>3?atoi(argv[3]):16384,batch=64; char*data=malloc(size); memset(data,7,size);
  chdir(argv[2]); static char names[64][32]; struct timespec ts[2]={{1000,0},{1000,0}};
  double a=now();
  if(!strcmp(argv[1],"calls")){
    for(int i=0;i<files;i++){char n[32];sprintf(n,"f%d",i);int fd=open(n,O_CREAT|O_EXCL|O_WRONLY,0644);pwrite(fd,data,size,0);futimens(fd,ts);close(fd);}
  }else{
    struct io_uring r; unsigned flags=!strcmp(argv[1],"sqpoll")?IORING_SETUP_SQPOLL:IORING_SETUP_SINGLE_ISSUER|IORING_SETUP_COOP_TASKRUN;
    if(io_uring_queue_init(batch*3,&r,flags)<0){perror("uring");return 1;}
    io_uring_register_files_sparse(&r,batch);
    for(int i=0;i<files;i+=batch){int n=files-i<batch?files-i:batch;
      for(int j=0;j<n;j++){sprintf(names[j],"f%d",i+j);
        struct io_uring_sqe*s=io_uring_get_sqe(&r);io_uring_prep_openat_direct(s,AT_FDCWD,names[j],O_CREAT|O_EXCL|O_WRONLY,0644,j);s->flags|=IOSQE_IO_LINK;
        s=io_uring_get_sqe(&r);io_uring_prep_write(s,j,data,size,0);s->flags|=IOSQE_FIXED_FILE|IOSQE_IO_LINK;
        s=io_uring_get_sqe(&r);io_uring_prep_close_direct(s,j);}
      io_uring_submit_and_wait(&r,n*3); struct io_uring_cqe*c;unsigned h,k=0;io_uring_for_each_cqe(&r,h,c){if(c->res<0){fprintf(stderr,"res %d\n",c->res);exit(1);}k++;}io_uring_cq_advance(&r,k);
      for(int j=0;j<n;j++)utimensat(AT_FDCWD,names[j],ts,0);
    }
  }
  printf("%s %.3f\n",argv[1],now()-a);
}
